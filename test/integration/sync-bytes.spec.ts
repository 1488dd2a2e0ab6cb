import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { bodies, createRoom, filter, join, say, setState, sync } from './sync-talk.js';

// Answers are bounded in bytes, whatever an account is in: timelines end earlier, and rooms beyond come with the next answer.
const MIB = 1024 * 1024;
const MAX_ANSWER = 8 * MIB;
const LARGE = 'x'.repeat(60_000);

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let users = 0;
const user = () => net.client().register(`bytes${++users}`);
const sayMuch = (client: TestClient, roomId: string, body: string) =>
  client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body, pad: LARGE });
const sizeOf = (value: unknown): number => JSON.stringify(value).length;

/** What was said in a room before a place, oldest first. */
async function earlier(client: TestClient, roomId: string, from: string): Promise<string[]> {
  const found: string[] = [];
  for (let place: string | undefined = from; place !== undefined;) {
    const page: Json = await client.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: place, limit: 1_000 } });
    expect(sizeOf(page)).toBeLessThan(5 * MIB);
    found.unshift(...page.chunk.toReversed().flatMap((event: Json) => event.content.body ?? []));
    place = page.end;
  }
  return found;
}

describe('an answer about many large events', () => {
  let [reader, writer] = [undefined as unknown as TestClient, undefined as unknown as TestClient];
  const rooms: string[] = [];
  const said = new Map<string, string[]>();
  let since: string;
  beforeAll(async () => {
    [reader, writer] = [await user(), await user()];
    for (let i = 0; i < 12; i++) rooms.push(await createRoom(writer, { preset: 'public_chat' }));
    for (const roomId of rooms) await join(reader, roomId);
    since = (await sync(reader)).next_batch;
    // 14 MB, not the same in all rooms.
    for (const [i, roomId] of rooms.entries()) {
      const texts = Array.from({ length: i < 6 ? 5 : 35 }, (_, n) => `m${n}`);
      said.set(roomId, texts);
      for (const text of texts) await sayMuch(writer, roomId, text);
    }
  }, 120_000);

  const timelines = filter({ room: { timeline: { limit: 100 } } });
  it.each(['at first', 'since then'])('of /sync ends its longest timelines earlier, %s, and everything can still be read', async (when) => {
    const answer = await sync(reader, { filter: timelines, ...(when === 'at first' ? {} : { since }) });
    expect(sizeOf(answer)).toBeLessThan(MAX_ANSWER);
    expect(Object.keys(answer.rooms.join).toSorted()).toEqual(rooms.toSorted());
    let kept = 0;
    for (const roomId of rooms) {
      const { timeline } = answer.rooms.join[roomId];
      const shown = timeline.events.flatMap((event: Json) => event.content.body ?? []);
      kept += shown.length;
      const texts = said.get(roomId)!;
      if (texts.length === 5) expect(shown).toEqual(texts);
      else {
        expect(timeline.limited).toBe(true);
        expect(shown.length).toBeGreaterThan(0);
        expect(texts.slice(-shown.length)).toEqual(shown);
        expect([...(await earlier(reader, roomId, timeline.prev_batch)), ...shown]).toEqual(texts);
      }
    }
    // Nothing is left out that has a place.
    expect(kept * LARGE.length).toBeGreaterThan(3 * MIB);
  }, 60_000);

  it('of /messages goes on where it ended, both ways', async () => {
    const texts = said.get(rooms[11]!)!;
    for (let i = 0; i < 60; i++) {
      texts.push(`n${i}`);
      await sayMuch(writer, rooms[11]!, `n${i}`);
    }
    const { next_batch: end } = await sync(reader, { filter: filter({ room: { timeline: { limit: 0 } } }) });
    expect(await earlier(reader, rooms[11]!, end)).toEqual(texts);
    const forward: string[] = [];
    let pages = 0;
    for (let place: string | undefined = since; place !== undefined; pages++) {
      const page: Json = await reader.request('GET', `${roomPath(rooms[11]!)}/messages`, undefined, { query: { dir: 'f', from: place, limit: 1_000 } });
      expect(sizeOf(page)).toBeLessThan(5 * MIB);
      forward.push(...page.chunk.flatMap((event: Json) => event.content.body ?? []));
      if (page.chunk.length === 0) break;
      place = page.end;
    }
    expect(forward).toEqual(texts);
    expect(pages).toBeGreaterThan(1);
  }, 60_000);
});

describe('an answer about rooms of much state', () => {
  it('tells some, the next ones the others, each once and whole, and what happens meanwhile', async () => {
    const alice = await user();
    const rooms: string[] = [];
    for (let i = 0; i < 5; i++) {
      const roomId = await createRoom(alice, { name: `Room ${i}` });
      rooms.push(roomId);
      // 3.5 MB each: two have a place.
      for (let n = 0; n < 58; n++) await setState(alice, roomId, 'org.example.heavy', { pad: LARGE }, `k${n}`);
    }
    const told = new Map<string, Json>();
    const take = (answer: Json): void => {
      for (const [roomId, room] of Object.entries<Json>(answer.rooms?.join ?? {})) {
        if (room.state.events.length === 0) continue;
        expect(told.has(roomId)).toBe(false);
        told.set(roomId, room);
      }
    };
    const few = filter({ room: { timeline: { limit: 1 } } });
    let answer = await sync(alice, { filter: few });
    expect(sizeOf(answer)).toBeLessThan(MAX_ANSWER);
    take(answer);
    expect([...told.keys()].toSorted()).toEqual(rooms.slice(3).toSorted());
    // In a room that was told, and in one that was not.
    await say(alice, rooms[4]!, 'told');
    await say(alice, rooms[0]!, 'not told');
    // The next answer comes at once, with as long a time-out as can be.
    answer = await sync(alice, { filter: few, since: answer.next_batch, timeout: 300_000 });
    expect(sizeOf(answer)).toBeLessThan(MAX_ANSWER);
    expect(bodies(answer.rooms.join[rooms[4]!])).toEqual(['told']);
    expect(answer.rooms.join[rooms[4]!].state.events).toEqual([]);
    take(answer);
    expect(told.size).toBe(4);
    answer = await sync(alice, { filter: few, since: answer.next_batch, timeout: 300_000 });
    take(answer);
    expect([...told.keys()].toSorted()).toEqual(rooms.toSorted());
    expect(bodies(told.get(rooms[0]!)!)).toEqual(['not told']);
    for (const [i, roomId] of rooms.entries()) {
      const { state, timeline } = told.get(roomId)!;
      const keys = [...state.events, ...timeline.events].filter((event: Json) => event.type === 'org.example.heavy').map((event: Json) => event.state_key);
      expect(new Set(keys).size).toBe(58);
      expect([...state.events, ...timeline.events].some((event: Json) => event.content.name === `Room ${i}`)).toBe(true);
    }
    // Nothing is left.
    answer = await sync(alice, { filter: few, since: answer.next_batch });
    expect(answer.rooms).toBeUndefined();
    await say(alice, rooms[0]!, 'later');
    answer = await sync(alice, { filter: few, since: answer.next_batch });
    expect(Object.keys(answer.rooms.join)).toEqual([rooms[0]]);
  }, 120_000);

  it('goes on from where each room was read when much of their state changed since', async () => {
    const alice = await user();
    const rooms = await Promise.all(Array.from({ length: 4 }, () => createRoom(alice)));
    const few = filter({ room: { timeline: { limit: 1 } } });
    let { next_batch: since } = await sync(alice, { filter: few });
    for (const roomId of rooms) for (let n = 0; n < 58; n++) await setState(alice, roomId, 'org.example.heavy', { pad: LARGE }, `k${n}`);
    const changed = new Map<string, Set<string>>(rooms.map((roomId) => [roomId, new Set()]));
    let answers = 0;
    for (;;) {
      const answer = await sync(alice, { filter: few, since });
      since = answer.next_batch;
      if (answer.rooms === undefined) break;
      answers++;
      expect(sizeOf(answer)).toBeLessThan(MAX_ANSWER);
      for (const [roomId, { state, timeline }] of Object.entries<Json>(answer.rooms.join)) {
        for (const event of [...state.events, ...timeline.events]) {
          // What it was in before is not told again.
          expect(event.type).toBe('org.example.heavy');
          expect(changed.get(roomId)!.has(event.state_key)).toBe(false);
          changed.get(roomId)!.add(event.state_key);
        }
      }
    }
    expect(answers).toBe(2);
    expect([...changed.values()].map((keys) => keys.size)).toEqual([58, 58, 58, 58]);
  }, 120_000);
});
