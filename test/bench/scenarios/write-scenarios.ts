import { perSecond, runLoad } from '../load.ts';
import type { LoadResult } from '../load.ts';
import { always } from '../scenario.ts';
import type { Metric, Scenario } from '../scenario.ts';
import { percentile } from '../statistics.ts';
import { itemAt, kilobyte } from '../world.ts';

/** A rate with the latency that its clients saw. */
const rateMetrics = (unit: string): readonly Metric[] => [
  { id: 'rate', unit, better: 'higher' },
  { id: 'p50', unit: 'ms', better: 'lower' },
  { id: 'p95', unit: 'ms', better: 'lower' },
];

function rateOf(result: LoadResult): Record<string, number> {
  return {
    rate: perSecond(result), p50: percentile(result.latencies, 0.5), p95: percentile(result.latencies, 0.95),
  };
}

export const register: Scenario = {
  name: 'register',
  what: 'accounts by shared secret (nonce and registration: two requests), 8 at once',
  metrics: rateMetrics('accounts/s'),
  warmUp: true,
  unavailable: always,
  prepare: async () => {},
  run: async ({ world }, size) => rateOf(await runLoad(8, { durationMs: size.windowMs }, () => world.register())),
};

export const createRoom: Scenario = {
  name: 'createRoom',
  what: 'rooms with preset public_chat, 8 accounts at once',
  metrics: rateMetrics('rooms/s'),
  warmUp: true,
  unavailable: always,
  prepare: async ({ world }) => {
    await world.users('creators', 8);
  },
  run: async ({ world }, size) => {
    const creators = await world.users('creators', 8);
    return rateOf(await runLoad(8, { durationMs: size.windowMs }, (client) => world.createRoom(itemAt(creators, client))));
  },
};

export const join100: Scenario = {
  name: 'join100',
  what: '100 accounts join one new public room, 16 at once',
  metrics: rateMetrics('joins/s'),
  warmUp: false,
  unavailable: always,
  prepare: async ({ world }) => {
    await world.users('crowd', 100);
  },
  run: async ({ world }) => {
    const crowd = await world.users('crowd', 100);
    const roomId = await world.createRoom(await world.owner());
    return rateOf(await runLoad(16, { operations: 100 }, (_client, sequence) => world.join(itemAt(crowd, sequence), roomId)));
  },
};

const sendRooms = 39;

/** Each of `clients` accounts sends into its own part of 39 rooms: one account into all, 64 into one each. */
function send(clients: number): Scenario {
  const group = `senders${clients}`;
  const roomOf = (client: number, turn: number): number => {
    const own = Math.max(1, Math.floor(sendRooms / clients));
    return (client + (turn % own) * clients) % sendRooms;
  };
  return {
    name: `send${clients}`,
    what: `messages of 1 KB by ${clients} account${clients === 1 ? '' : 's'} at once, over 39 rooms`,
    metrics: rateMetrics('messages/s'),
    warmUp: true,
    unavailable: always,
    prepare: async ({ world }) => {
      const senders = await world.users(group, clients);
      const rooms = await world.rooms(sendRooms);
      const own = Math.max(1, Math.floor(sendRooms / clients));
      await world.ensureMembers(senders.flatMap((sender, client) =>
        Array.from({ length: own }, (_, turn) => [sender, itemAt(rooms, roomOf(client, turn))] as const)));
    },
    run: async ({ world }, size) => {
      const senders = await world.users(group, clients);
      const rooms = await world.rooms(sendRooms);
      const turns = Array.from({ length: clients }, () => 0);
      return rateOf(await runLoad(clients, { durationMs: size.windowMs }, (client, sequence) => {
        const turn = turns[client] ?? 0;
        turns[client] = turn + 1;
        return world.send(itemAt(senders, client), itemAt(rooms, roomOf(client, turn)), kilobyte(`message ${sequence}`));
      }));
    },
  };
}

export const send1 = send(1);
export const send16 = send(16);
export const send64 = send(64);
