import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Ledger } from '../../apps/homeserver/src/demo/ledger.js';
import { seededRandom } from '../../apps/homeserver/src/demo/seeded-random.js';
import { until } from '../../apps/homeserver/src/demo/within.js';
import type { Json } from '../network/test-client.js';
import { evidence } from './evidence.js';
import { describeFault, faultPlan, type ServerFault } from './fault-plan.js';
import { FaultWorld } from './fault-world.js';
import { prepareHomes, strike } from './strike.js';
import { Talker } from './talker.js';
import { trace, traceFetch } from './trace.js';
import { WrittenData } from './written-data.js';

/** `npm run faults` makes two hundred. */
const RUNS = Number(process.env['FAULTS_RUNS'] ?? 20);
/** FAULTS_KINDS=kill,clock: only these of the faults of servers; plans are then others than the seeds' own. */
const KINDS = process.env['FAULTS_KINDS']?.split(',') as ServerFault['kind'][] | undefined;
/** FAULTS_SEED=n repeats the run whose title says so. */
const FIRST_SEED = Number(process.env['FAULTS_SEED'] ?? randomInt(1, 1_000_000));
const LABELS = ['a', 'b', 'c'];
const NAMES = ['alice', 'bob', 'carol'];
const LOAD_MS = 1_800;
const PERIOD_MS = 80;
const SETTLE_MS = 40_000;
const RUN_TIMEOUT_MS = 240_000;

let world: FaultWorld;
let talkers: Talker[];

beforeAll(async () => {
  traceFetch();
  world = await FaultWorld.start(LABELS);
  const [a, b, c] = world.servers as [never, never, never];
  // Each server is the first home of one and the second of another, so that every fault hits somebody and cuts nobody off.
  talkers = await Promise.all([Talker.enter('alice', [a, b]), Talker.enter('bob', [b, c]), Talker.enter('carol', [c, a])]);
}, 60_000);
afterAll(async () => {
  await Promise.all((talkers ?? []).map((talker) => talker.leave()));
  await world?.stop();
});

async function openRoom(): Promise<string> {
  const [host, ...guests] = talkers as [Talker, ...Talker[]];
  const roomId = await host.createRoom({ room_version: 'io.partyline.1', preset: 'public_chat', power_level_content_override: { users_default: 50 } });
  for (const guest of guests) await guest.join(roomId, host.homes);
  await until(SETTLE_MS, 'everybody to be in the room', () => {
    for (const talker of talkers) if (!talker.isIn(roomId)) throw new Error(`${talker.name} is not: ${talker.trouble}`);
    return true;
  });
  await until(SETTLE_MS, 'all servers to hold the room', async () => {
    const states = await statesOf(roomId);
    const members = talkers.map((talker) => `m.room.member ${talker.userId}`);
    const differing = LABELS.flatMap((label, i) => members.filter((key) => states[i]!.get(key) !== states[0]!.get(key)).map((key) => `${key} at ${label}`));
    const missing = LABELS.flatMap((label, i) => members.filter((key) => !states[i]!.has(key)).map((key) => `${key} at ${label}`));
    if (missing.length + differing.length > 0) throw new Error(`missing: ${missing.join(', ')}; not as at a: ${differing.join(', ')}`);
    return true;
  });
  return roomId;
}

/** What was acknowledged in a run. */
interface Acknowledged {
  readonly messages: Ledger;
  /** Messages that two servers have. */
  readonly durable: Set<string>;
  readonly data: WrittenData;
}

/** Everybody writes, and sets the topic now and then, until the time is over; resolves when all is acknowledged. */
async function talk(roomId: string, draw: () => number, { messages, durable, data }: Acknowledged): Promise<void> {
  const end = performance.now() + LOAD_MS;
  await Promise.all(talkers.map(async (talker, i) => {
    for (let count = 1; count === 1 || performance.now() < end; count++) {
      const name = `${talker.name} ${count}`;
      const { eventId, replicas } = await talker.say(roomId, name);
      messages.acknowledged(talker.name, count, eventId, performance.now());
      if (replicas.length >= 2) durable.add(name);
      if (draw() < 0.1) await talker.setState(roomId, 'm.room.topic', { topic: `after ${name}` });
      if (draw() < 0.2) await data.set(talker, `${roomId} ${name}`);
      if (draw() < 0.2) await data.tell(talker, talkers[(i + 1) % talkers.length]!, `${roomId} ${name}`);
      await sleep(PERIOD_MS * draw());
    }
  }));
}

/** Per server the room's state: event ids by type and state key. */
async function statesOf(roomId: string): Promise<Map<string, string>[]> {
  return Promise.all(world.servers.map(async (server) => {
    const talker = talkers.find((one) => one.homes[0] === server)!;
    const events: Json[] = await talker.at(server, `v3/rooms/${encodeURIComponent(roomId)}/state`);
    return new Map(events.map((event) => [`${event.type} ${event.state_key}`, event.event_id] as [string, string]).sort());
  }));
}

/** The version of somebody's record, as each replica of the room shows it. */
async function recordsOf(roomId: string, { userId }: Talker): Promise<number[]> {
  return Promise.all(world.servers.map(async (server) => {
    const reader = talkers.find((one) => one.homes[0] === server)!;
    const member = await reader.at(server, `v3/rooms/${encodeURIComponent(roomId)}/state/m.room.member/${encodeURIComponent(userId)}`);
    return Number(member.home_record.seq);
  }));
}

/** Per server the texts of the room, with repeats. */
async function textsOf(roomId: string): Promise<string[][]> {
  return Promise.all(world.servers.map(async (server) => {
    const talker = talkers.find((one) => one.homes[0] === server)!;
    const { chunk } = await talker.at(server, `v3/rooms/${encodeURIComponent(roomId)}/messages?dir=b&limit=1000`);
    return chunk.filter((event: Json) => event.type === 'm.room.message').map((event: Json) => event.content.body);
  }));
}

describe('three servers under faults', () => {
  const runs = Array.from({ length: RUNS }, (_, i) => {
    const seed = FIRST_SEED + i;
    const draw = seededRandom(seed);
    const plan = faultPlan(draw, LABELS, KINDS);
    return { seed, draw, plan, title: plan.map(describeFault).join(', ') };
  });

  it.each(runs)('lose nothing, repeat nothing and agree in the end: seed $seed, $title', async ({ draw, plan }) => {
    await prepareHomes(world, talkers, plan);
    const roomId = await openRoom();
    trace(`the run begins: ${plan.map(describeFault).join(', ')}`);
    const acknowledged: Acknowledged = { messages: new Ledger(NAMES), durable: new Set(), data: new WrittenData(talkers) };
    const { messages: ledger, durable, data } = acknowledged;
    // One server may take with it what it alone has acknowledged.
    const isRestored = plan.some((fault) => fault.kind === 'restore');
    let place = 0;
    const unsubscribe = talkers.flatMap((reader) => [
      reader.onRemoved((eventId) => ledger.removed(reader.name, eventId)),
      reader.onMessage((message) => {
        if (message.roomId !== roomId) return;
        const [author = '', count = ''] = message.text.split(' ');
        ledger.shown(reader.name, { author, count: Number(count), eventId: message.eventId, place: ++place, at: performance.now() });
      }),
    ]);
    try {
      await Promise.all([talk(roomId, draw, acknowledged), ...plan.map((fault) => strike(world, talkers, fault))]);
      await world.heal();
      trace('all is healed');
      // One more from everybody, as it would be in life; it also tells the servers that the others are back.
      await Promise.all(talkers.map(async (talker) => {
        const { eventId } = await talker.say(roomId, `${talker.name} 1000`);
        ledger.acknowledged(talker.name, 1_000, eventId, performance.now());
      }));
      await until(SETTLE_MS, 'everybody to see everything', () => {
        const missing = NAMES.flatMap((reader) => ledger.missing(reader).filter(({ name }) => !isRestored || durable.has(name)).map(({ name }) => `${reader} has not seen ${name}`));
        if (missing.length > 0) throw new Error(missing.slice(0, 5).join(', '));
        return true;
      });
      await until(SETTLE_MS, 'the servers to agree', async () => {
        const [states, texts] = await Promise.all([statesOf(roomId), textsOf(roomId)]);
        expect(states[1]).toEqual(states[0]);
        expect(states[2]).toEqual(states[0]);
        for (const read of texts) expect(read.toSorted()).toEqual(texts[0]!.toSorted());
        for (const read of texts) expect(new Set(read).size).toBe(read.length);
        return true;
      });
      await until(SETTLE_MS, 'all servers to know the records', async () => {
        for (const talker of talkers) {
          for (const seq of await recordsOf(roomId, talker)) expect(seq).toBeGreaterThanOrEqual(talker.recordSeq);
        }
        return true;
      });
      await until(SETTLE_MS, 'all homes to have the data', () => data.isEverywhere({ allowsLoss: isRestored }));
      expect(durable.size).toBeGreaterThan(0);
      expect(NAMES.flatMap((reader) => ledger.repeated(reader).map((message) => ({ reader, ...message })))).toEqual([]);
      expect(data.repeated()).toEqual([]);
      if (!isRestored) expect(ledger.figures()).toMatchObject({ lost: 0, duplicated: 0 });
    } catch (error) {
      const clients = talkers.map((talker) => `${talker.name}: ${talker.trouble}`);
      const known = await evidence(world, LABELS, roomId).catch((reason: unknown) => `no evidence: ${String(reason)}`);
      throw new Error([(error as Error).message, ...clients, known].join('\n'), { cause: error });
    } finally {
      for (const end of unsubscribe) end();
      await world.heal();
    }
  }, RUN_TIMEOUT_MS);
});
