import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 25;

/** Something did not happen in time. */
export class TooLateError extends Error {
  override readonly name = 'TooLateError';
}

/**
 * Waits for a promise, but not for ever.
 *
 * @param what completes the sentence "waited N s for …"
 * @throws TooLateError
 */
export async function within<T>(ms: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TooLateError(`waited ${ms / 1000} s for ${what}, in vain`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Calls `probe` until it gives something other than undefined, null or false. What it throws counts as "not yet".
 *
 * @param what completes the sentence "waited N s for …"
 * @throws TooLateError, with the probe's last error as its cause
 */
export async function until<T>(ms: number, what: string, probe: () => T | Promise<T>): Promise<Exclude<Awaited<T>, undefined | null | false>> {
  const end = performance.now() + ms;
  for (;;) {
    let cause: unknown;
    try {
      const value = await within(ms, what, Promise.resolve(probe()));
      if (value !== undefined && value !== null && value !== false) return value as Exclude<Awaited<T>, undefined | null | false>;
    } catch (error) {
      cause = error;
    }
    if (performance.now() > end) {
      const reason = cause instanceof Error ? ` (${cause.message})` : '';
      throw new TooLateError(`waited ${ms / 1000} s for ${what}, in vain${reason}`, { cause });
    }
    await sleep(POLL_MS);
  }
}
