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

/** What clients ask for: ten events a room, and only the members who speak. */
const filter = encodeURIComponent(JSON.stringify({ room: { timeline: { limit: 10 }, state: { lazy_load_members: true } } }));

/**
 * The path of a sync. `set_presence=offline` keeps syncing from being news by itself: on servers with presence each
 * online sync would wake everyone who shares a room.
 */
export function syncPath(since: string | null, timeoutMs: number): string {
  const from = since === null ? '' : `&since=${encodeURIComponent(since)}`;
  return `/_matrix/client/v3/sync?timeout=${timeoutMs}&set_presence=offline&filter=${filter}${from}`;
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
