import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a tick takes where nobody else uses the machine. */
const TICK_MS = 5;
const SLEEP_MS = 4;
const SOME_WORK = Buffer.alloc(256 * 1024);

/**
 * Does something that must not wait for what takes longer. Its time is measured in ticks, too, each a short sleep and some work: on a
 * machine that others use both take longer, and neither says anything of the other then.
 *
 * @throws when it took longer than that, and than as many ticks as fit into it otherwise
 */
export async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  let [ticks, isOver] = [0, false];
  const ticking = (async () => {
    for (; !isOver; ticks++) {
      await sleep(SLEEP_MS);
      createHash('sha256').update(SOME_WORK).digest();
    }
  })();
  let result: T;
  let tookMs: number;
  try {
    result = await work();
  } finally {
    tookMs = performance.now() - start;
    isOver = true;
    await ticking;
  }
  if (tookMs > ms && ticks * TICK_MS > ms) throw new Error(`it took ${Math.round(tookMs)} ms and ${ticks} ticks, more than ${ms} ms: ${work.toString().slice(0, 200)}`);
  return result;
}
