import { silenceSdk } from '../../apps/homeserver/src/demo/silent-logger.js';

/**
 * For suites with matrix-js-sdk: it tells nothing, and the timers of almost two minutes that it leaves behind each long poll do not
 * keep the test run waiting.
 */
export function quietSdk(): void {
  const { setTimeout: realSetTimeout } = globalThis;
  beforeAll(() => {
    silenceSdk();
    globalThis.setTimeout = ((run: () => void, ms?: number) => realSetTimeout(run, ms).unref()) as typeof globalThis.setTimeout;
  });
  afterAll(() => {
    globalThis.setTimeout = realSetTimeout;
  });
}
