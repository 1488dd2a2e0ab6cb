import { setTimeout as delay } from 'node:timers/promises';

import { perSecond, runLoad } from '../load.ts';
import type { BenchUser } from '../registration.ts';
import { always } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { median, percentile } from '../statistics.ts';
import { isEmptySync, syncPath, syncUntilQuiet, uniqueInitialSyncPath } from '../sync.ts';
import type { SyncAnswer } from '../sync.ts';
import { itemAt, kilobyte } from '../world.ts';
import type { World } from '../world.ts';

const syncRooms = 40;

export const initialSync: Scenario = {
  name: 'initialSync',
  what: 'first syncs of accounts with 40 rooms, each client its own account (10 messages a room, lazy members)',
  metrics: [
    { id: 'rate', unit: 'syncs/s', better: 'higher' },
    { id: 'p50', unit: 'ms', better: 'lower' },
    { id: 'answer', unit: 'KB', better: 'neither' },
  ],
  warmUp: true,
  unavailable: always,
  prepare: async ({ world }, size) => {
    const readers = await world.users('readers', size.readers);
    const rooms = await world.rooms(syncRooms);
    await world.ensureMembers(readers.flatMap((reader) => rooms.map((roomId) => [reader, roomId] as const)));
    await world.fill(rooms);
  },
  run: async ({ world }, size) => {
    const readers = await world.users('readers', size.readers);
    let bytes = 0;
    const result = await runLoad(readers.length, { durationMs: size.windowMs }, async (client, sequence) => {
      // Not "bytes += (await …)": that reads the sum before it waits and loses what the other clients add.
      const text = await world.http.text('GET', uniqueInitialSyncPath(sequence), itemAt(readers, client).accessToken);
      bytes += text.length;
    });
    return {
      rate: perSecond(result), p50: percentile(result.latencies, 0.5), answer: bytes / result.operations / 1024,
    };
  },
};

const idlers = 16;

/** Accounts with two rooms each, where nothing happens any more, and their last sync tokens. */
export async function quietAccounts(world: World): Promise<{ user: BenchUser; since: string }[]> {
  const users = await world.users('idlers', idlers);
  const rooms = await world.rooms(syncRooms);
  await world.ensureMembers(users.flatMap((user, index) =>
    [index, index + idlers].map((room) => [user, itemAt(rooms, room)] as const)));
  return Promise.all(users.map(async (user) => ({ user, since: await syncUntilQuiet(world, user) })));
}

/** One incremental sync that must bring nothing. */
export async function emptySync(world: World, account: { user: BenchUser; since: string }): Promise<void> {
  const answer = await world.http.json<SyncAnswer>('GET', syncPath(account.since, 0), account.user.accessToken);
  if (!isEmptySync(answer)) throw new Error('an idle sync brought news');
}

export const idleSync: Scenario = {
  name: 'idleSync',
  what: 'incremental syncs with nothing new (timeout=0), 16 accounts at once',
  metrics: [
    { id: 'rate', unit: 'syncs/s', better: 'higher' },
    { id: 'p50', unit: 'ms', better: 'lower' },
    { id: 'p95', unit: 'ms', better: 'lower' },
  ],
  warmUp: true,
  unavailable: always,
  prepare: async ({ world }) => {
    await quietAccounts(world);
  },
  run: async ({ world }, size) => {
    const accounts = await quietAccounts(world);
    const result = await runLoad(idlers, { durationMs: size.windowMs }, (client) => emptySync(world, itemAt(accounts, client)));
    return {
      rate: perSecond(result), p50: percentile(result.latencies, 0.5), p95: percentile(result.latencies, 0.95),
    };
  },
};

const waiters = 100;

/** A room with the owner and a hundred others. */
async function crowdRoom(world: World): Promise<{ roomId: string; crowd: BenchUser[] }> {
  const crowd = await world.users('waiters', waiters);
  const roomId = itemAt((await world.rooms(syncRooms + 1)).slice(syncRooms), 0);
  await world.ensureMembers(crowd.map((user) => [user, roomId] as const));
  return { roomId, crowd };
}

export const fanout: Scenario = {
  name: 'fanout',
  what: 'from sending one message to its arrival in 100 waiting syncs',
  metrics: [
    { id: 'last', unit: 'ms', better: 'lower' },
    { id: 'median', unit: 'ms', better: 'lower' },
  ],
  warmUp: false,
  unavailable: always,
  prepare: async ({ world }) => {
    await crowdRoom(world);
  },
  run: async ({ world }, size) => {
    const { roomId, crowd } = await crowdRoom(world);
    const owner = await world.owner();
    const tokens = new Map<BenchUser, string>();
    await runLoad(8, { operations: crowd.length }, async (_client, sequence) => {
      const user = itemAt(crowd, sequence);
      tokens.set(user, await syncUntilQuiet(world, user));
    });
    const last: number[] = [];
    const middle: number[] = [];
    for (let message = 0; message < size.fanoutMessages; message += 1) {
      const body = kilobyte(`fan-out ${message} ${performance.now()}`);
      const arrivals = Promise.all(crowd.map((user) => waitFor(world, user, tokens, roomId, body)));
      // No server tells when it holds a request, so give the slowest time to park a hundred of them.
      await delay(1_000);
      const sent = performance.now();
      const [times] = await Promise.all([arrivals, world.send(owner, roomId, body)]);
      last.push(Math.max(...times) - sent);
      middle.push(median(times) - sent);
    }
    return { last: median(last), median: median(middle) };
  },
};

/** Syncs until the message is there; returns the moment its answer was complete. */
async function waitFor(
  world: World, user: BenchUser, tokens: Map<BenchUser, string>, roomId: string, body: string,
): Promise<number> {
  for (let tries = 0; tries < 20; tries += 1) {
    const text = await world.http.text('GET', syncPath(tokens.get(user) ?? null, 30_000), user.accessToken);
    const arrived = performance.now();
    const answer = JSON.parse(text) as SyncAnswer;
    tokens.set(user, answer.next_batch);
    const events = answer.rooms?.join?.[roomId]?.timeline?.events ?? [];
    if (events.some((event) => event.content?.body === body)) return arrived;
  }
  throw new Error(`the message did not reach ${user.userId}`);
}
