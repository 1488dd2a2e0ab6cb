import { runLoad } from '../load.ts';
import type { BenchUser } from '../registration.ts';
import { always } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { percentile } from '../statistics.ts';
import { itemAt, kilobyte } from '../world.ts';
import type { World } from '../world.ts';

const rooms = 500;
const path = '/_matrix/client/unstable/org.matrix.simplified_msc3575/sync';

/** What a phone asks for when it is opened for the first time: the first screen of rooms, and what goes with them. */
const firstScreen = {
  conn_id: 'rooms',
  lists: {
    all: {
      ranges: [[0, 19]],
      timeline_limit: 1,
      required_state: [
        ['m.room.name', ''], ['m.room.encryption', ''], ['m.room.member', '$LAZY'], ['m.room.member', '$ME'], ['m.room.topic', ''],
        ['m.room.canonical_alias', ''], ['m.room.power_levels', ''], ['m.room.join_rules', ''], ['m.room.create', ''],
      ],
      filters: { not_room_types: ['m.space'] },
    },
  },
  extensions: { account_data: { enabled: true }, receipts: { enabled: true }, typing: { enabled: true } },
};

/** An account in 500 rooms with two messages each. */
async function slider(world: World, made: Map<World, Promise<BenchUser>>): Promise<BenchUser> {
  const held = made.get(world) ?? (async () => {
    const user = itemAt(await world.users('slider', 1), 0);
    await runLoad(8, { operations: rooms }, async (_client, sequence) => {
      const roomId = await world.createRoom(user);
      for (const part of ['one', 'two']) await world.send(user, roomId, kilobyte(`${part} ${sequence}`));
    });
    return user;
  })();
  made.set(world, held);
  return held;
}

const sliders = new Map<World, Promise<BenchUser>>();

export const slidingSync: Scenario = {
  name: 'slidingSync',
  what: 'first answers of a sliding sync (20 of 500 rooms), one after the other',
  metrics: [
    { id: 'p50', unit: 'ms', better: 'lower' },
    { id: 'p95', unit: 'ms', better: 'lower' },
    { id: 'answer', unit: 'KB', better: 'neither' },
  ],
  warmUp: true,
  unavailable: always,
  prepare: async ({ world }) => {
    await slider(world, sliders);
  },
  run: async ({ world }, size) => {
    const user = await slider(world, sliders);
    let bytes = 0;
    const result = await runLoad(1, { durationMs: size.windowMs }, async () => {
      const text = await world.http.text('POST', path, user.accessToken, firstScreen);
      bytes += text.length;
    });
    return { p50: percentile(result.latencies, 0.5), p95: percentile(result.latencies, 0.95), answer: bytes / result.operations / 1024 };
  },
};
