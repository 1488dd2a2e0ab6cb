import type { BenchUser } from './registration.ts';
import type { World } from './world.ts';

/** The part of a /sync answer that the benchmark reads. */
export interface SyncAnswer {
  next_batch: string;
  rooms?: {
    join?: Record<string, { timeline?: { events?: { content?: { body?: string } }[] } }>;
    invite?: Record<string, unknown>;
    leave?: Record<string, unknown>;
  };
  to_device?: { events?: unknown[] };
  presence?: { events?: unknown[] };
  account_data?: { events?: unknown[] };
}

/**
 * What clients ask for: ten events a room, and only the members who speak. Presence is left out, and so is being online
 * by syncing (`set_presence=offline`): on servers that have it, every request of somebody else would be news.
 */
const filter = {
  presence: { not_types: ['*'] },
  room: { timeline: { limit: 10 }, state: { lazy_load_members: true } },
};
const encodedFilter = encodeURIComponent(JSON.stringify(filter));

/** The path of a sync from a token, or of a first one. */
export function syncPath(since: string | null, timeoutMs: number): string {
  const from = since === null ? '' : `&since=${encodeURIComponent(since)}`;
  return `/_matrix/client/v3/sync?timeout=${timeoutMs}&set_presence=offline&filter=${encodedFilter}${from}`;
}

/**
 * The path of a first sync with a filter that no other has (it excludes a type of account data that does not exist):
 * Synapse answers the same question of the same account for two minutes from a cache, which no real client sees.
 */
export function uniqueInitialSyncPath(sequence: number): string {
  const unique = { ...filter, account_data: { not_types: [`bench.${sequence}.${performance.now()}`] } };
  return `/_matrix/client/v3/sync?timeout=0&set_presence=offline&filter=${encodeURIComponent(JSON.stringify(unique))}`;
}

/** True when the answer tells a client nothing. */
export function isEmptySync(answer: SyncAnswer): boolean {
  const { rooms } = answer;
  return [rooms?.join, rooms?.invite, rooms?.leave].every((part) => Object.keys(part ?? {}).length === 0)
    && [answer.to_device, answer.presence, answer.account_data].every((part) => (part?.events ?? []).length === 0);
}

/**
 * Syncs until an answer is empty.
 * @returns the token after it
 * @throws Error when there is still news after 20 answers
 */
export async function syncUntilQuiet(world: World, user: BenchUser): Promise<string> {
  let since: string | null = null;
  for (let tries = 0; tries < 20; tries += 1) {
    const path: string = syncPath(since, since === null ? 0 : 200);
    const answer: SyncAnswer = await world.http.json<SyncAnswer>('GET', path, user.accessToken);
    if (since !== null && isEmptySync(answer)) return answer.next_batch;
    since = answer.next_batch;
  }
  throw new Error(`sync of ${user.userId} does not come to rest`);
}
