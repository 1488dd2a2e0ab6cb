import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/**
 * Waits for a state instead of sleeping: calls `probe` until it neither throws nor returns undefined, null or false.
 *
 * @throws the probe's last error, or what it returned, after `timeoutMs`
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<Awaited<T>, undefined | null | false>> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    let failure: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as Exclude<Awaited<T>, undefined | null | false>;
      failure = new Error(`still ${String(value)} after ${timeoutMs} ms: ${probe.toString().slice(0, 200)}`);
    } catch (error) {
      failure = error;
    }
    if (Date.now() > end) throw failure;
    await sleep(POLL_MS);
  }
}
