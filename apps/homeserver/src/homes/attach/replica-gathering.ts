import { setTimeout as delay } from 'node:timers/promises';
import type { ReplicaAnswer } from './replica-requests.js';

/** Replicas that are asked: those that are named, then those that these name. */
export const MAX_ASKED = 50;
/** Others that one of those named may lead to in any case, however many are named. */
const MIN_LED_TO = 2;
/** From then on nobody is waited for, where two have answered and have what the client has seen. */
const SETTLED_MS = 1_000;
/** The same, where what the client has seen is not among it. */
const SEEN_MS = 3_000;
/** So long a single one waits for a second opinion: the copy of one replica is not believed while others may answer. */
const ALONE_MS = 1_500;

/** The replicas of a room that have answered, and those that may still. */
export interface Gathered {
  readonly answers: readonly ReplicaAnswer[];
  /** Who was asked and has not answered, with the answer that may come; null for one that does not. */
  readonly late: readonly { readonly server: string; readonly answer: Promise<ReplicaAnswer | null> }[];
  /** Why nobody answered. */
  readonly failure: unknown;
}

/**
 * Asks all replicas of a room that are named, and those that they name, at once; waits for those that answer soon.
 *
 * Each of those that are named, with all that it leads to, has its own share of the places: else who answers first could fill all of
 * them with names that he made up, and those would not be asked of whom the others know.
 *
 * @param ask asks one
 * @param seen events that the client of the account has
 */
export async function gatherReplicas(
  ask: (server: string) => Promise<ReplicaAnswer>, named: readonly string[], own: string, seen: readonly string[], now: () => number,
): Promise<Gathered> {
  const pending = new Map<string, Promise<ReplicaAnswer | null>>();
  const asked = new Set<string>([own]);
  const answers: ReplicaAnswer[] = [];
  let failure: unknown;
  const first = [...new Set(named)].filter((server) => server !== own).slice(0, MAX_ASKED);
  const share = Math.max(MIN_LED_TO, Math.floor((MAX_ASKED - first.length) / first.length));
  const begin = (server: string, root: { left: number }): void => {
    asked.add(server);
    const answer = ask(server).then((given) => {
      answers.push(given);
      for (const other of given.servers) {
        if (root.left === 0) break;
        if (asked.has(other)) continue;
        root.left--;
        begin(other, root);
      }
      return given;
    }, (error: unknown) => {
      failure = error;
      return null;
    });
    pending.set(server, answer);
    void answer.then(() => pending.delete(server));
  };
  for (const server of first) begin(server, { left: share });
  const since = now();
  const patience = (): number => {
    if (answers.length === 0) return Infinity;
    if (answers.length === 1) return ALONE_MS;
    const isSeen = seen.every((id) => answers.some((answer) => answer.seen.includes(id)));
    return isSeen ? SETTLED_MS : SEEN_MS;
  };
  const stop = new AbortController();
  while (pending.size > 0) {
    const left = patience() - (now() - since);
    if (left <= 0) break;
    const waits: Promise<unknown>[] = [...pending.values()];
    if (Number.isFinite(left)) waits.push(delay(left, undefined, { signal: stop.signal, ref: false }).catch(() => undefined));
    await Promise.race(waits);
  }
  stop.abort();
  return { answers: [...answers], late: [...pending].map(([server, answer]) => ({ server, answer })), failure };
}
