import { silenceSdk } from '../../apps/homeserver/src/demo/silent-logger.js';

/**
 * For suites with matrix-js-sdk: it tells nothing, and the timers of almost two minutes that it leaves behind each long poll do not
 * keep the test run waiting. To the end: a client that has been stopped still tries again what its server did not answer.
 */
export function quietSdk(): void {
  const { setTimeout: realSetTimeout } = globalThis;
  beforeAll(() => {
    silenceSdk();
    globalThis.setTimeout = ((run: (...args: unknown[]) => void, ms?: number, ...args: unknown[]) => realSetTimeout(run, ms, ...args).unref()) as typeof globalThis.setTimeout;
  });
}
