import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** A look takes less where nobody else uses the machine. */
const LOOK_MS = 60;

/**
 * Waits for a state instead of sleeping: calls `probe` until it neither throws nor returns undefined, null or false. It is given up
 * after a time in which, on a machine that others use, there were also as many looks as fit into that time otherwise.
 *
 * @throws the probe's last error, or what it returned
 */
export async function eventually<T>(
  probe: () => T | Promise<T>,
  timeoutMs = 10_000,
): Promise<Exclude<Awaited<T>, undefined | null | false>> {
  const end = performance.now() + timeoutMs;
  for (let looks = 1; ; looks++) {
    let failure: unknown;
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) return value as Exclude<Awaited<T>, undefined | null | false>;
      failure = new Error(`still ${String(value)} after ${timeoutMs} ms: ${probe.toString().slice(0, 200)}`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() > end && looks * LOOK_MS >= timeoutMs) throw failure;
    await sleep(POLL_MS);
  }
}
