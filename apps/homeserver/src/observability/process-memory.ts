import { setFlagsFromString } from 'node:v8';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';

/** So long after the server listens, what it does once is done. */
const SETTLE_MS = 1_000;
/** How often it is looked whether a time of work is over. */
const LOOK_MS = 2_000;
/** Rest before it is over: after such a collection V8's heap grows anew, and the first second of work takes up to half as long again. */
const REST_MS = 60_000;
/** Bytes in use beyond which a collection at rest is not thorough: it would take too long. */
const THOROUGH_BYTES = 96 * 1024 * 1024;
/** Shares of the time that the event loop is at work: of a server that works, and of one that rests. */
const [AT_WORK, AT_REST] = [0.2, 0.05];

/**
 * To be called when the server listens: the time of the start is over soon, for which bin/partyline.js has asked V8 for less. Code that
 * runs once is not worth the compilers that optimize, which are 8 MB of memory in use; and the garbage of the start, with the room that
 * V8 has taken for it, is 10 MB more, which would stay until there is work.
 */
export async function settleMemory(): Promise<void> {
  for (const flavor of ['regular', 'last-resort'] as const) {
    // What the first one lets go of, the second one can collect.
    await pause(SETTLE_MS / 2, undefined, { ref: false });
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor });
  }
  setFlagsFromString('--bytecode-old-age=6');
  setFlagsFromString('--opt');
  setFlagsFromString('--maglev');
  collectAtRest();
}

/** Gives back what a time of work has left, when it is over: V8 would keep it until there is work again. */
function collectAtRest(): void {
  let last = performance.eventLoopUtilization();
  let hasWorked = false;
  let restedMs = 0;
  setInterval(() => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, last);
    last = now;
    if (utilization > AT_WORK) hasWorked = true;
    restedMs = utilization > AT_REST ? 0 : restedMs + LOOK_MS;
    if (!hasWorked || restedMs < REST_MS) return;
    hasWorked = false;
    // The thorough collection takes 2 to 4 ms per megabyte that is in use, and somebody may come meanwhile.
    const flavor = process.memoryUsage().heapUsed > THOROUGH_BYTES ? 'regular' : 'last-resort';
    globalThis.gc?.({ type: 'major', execution: 'sync', flavor });
  }, LOOK_MS).unref();
}
