import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { type HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { OfferedRoom } from './offered-room.js';

let world: HostileWorld;
/** Not hostile here, but slow. */
let other: HostileServer;
let a: TestServer;
let alice: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ hostile: other, a, alice } = world);
  // What it leaves unanswered is sent again, and holds up what comes after it.
  other.on(/federation\/v1\/send\//, () => ({ pdus: {} }));
});
afterAll(() => world?.stop());

const join = (client: TestClient, roomId: string): Promise<Json> =>
  client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: other.name } });
const joinsOf = (roomId: string) => other.requests.filter((request) => request.path.includes(`send_join/${roomId}`)).length;
const textsOf = async (client: TestClient, roomId: string): Promise<string[]> =>
  (await client.request('GET', `${path(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100 } })).chunk.flatMap((event: Json) => event.content.body ?? []);

describe('a room that is on its way here', () => {
  it('gets the events that come before it does', async () => {
    let result: Promise<Json> | undefined;
    const room: OfferedRoom = new OfferedRoom(other, 'early', async () => {
      const early = room.follow(room.message('early'));
      result = other.send(a, [wire(early)]).then((results) => results[early.eventId]);
      // A server that would throw it away answers at once.
      await Promise.race([result, delay(500)]);
    });
    await join(alice, room.roomId);
    expect(await result).toEqual({});
    expect(await textsOf(alice, room.roomId)).toEqual(['early']);
  });

  it('comes once for two who join at the same time', async () => {
    let second: Promise<Json> | undefined;
    const room: OfferedRoom = new OfferedRoom(other, 'both', async () => {
      // A server that does not wait for the first asks, and is answered, before it.
      second ??= join(anna, room.roomId);
      await Promise.race([second, delay(500)]);
    });
    const anna = await world.net.client('a').register('anna');
    await join(alice, room.roomId);
    await second;
    const { joined } = await alice.request('GET', `${path(room.roomId)}/joined_members`);
    expect(Object.keys(joined).sort()).toEqual([alice.userId, anna.userId, room.creator].sort());
    expect(joinsOf(room.roomId)).toBe(1);
    const isTold = () => other.requests.some(({ path: uri, body }) => uri.includes('/send/') && body.pdus.some((pdu: Json) => pdu.state_key === anna.userId));
    await eventually(isTold);
  });

  it('is tried again for the second when the first is refused', async () => {
    let answers = 0;
    const room = new OfferedRoom(other, 'refused', async () => {
      return ++answers === 1 ? {} : undefined;
    });
    const amy = await world.net.client('a').register('amy');
    const statuses = await Promise.all([alice, amy].map(async (client) =>
      (await client.raw('POST', `/v3/join/${encodeURIComponent(room.roomId)}`, {}, { query: { via: other.name } })).status));
    expect(statuses.sort()).toEqual([200, 502]);
  });
});

describe('a room that is here, to which another server must let somebody in', () => {
  it('keeps what is known of it', async () => {
    const { room_id: club } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    const ada = await world.net.client('a').register('ada');
    await ada.request('POST', `${path(club)}/join`, {});
    const room = new OfferedRoom(other, 'restricted');
    await join(alice, room.roomId);
    const allow = [{ type: 'm.room_membership', room_id: club }];
    const rule = room.follow(room.event({ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow } }));
    await other.send(a, [wire(rule)]);
    // The other server has not taken notice of these.
    const member = `${path(room.roomId)}/state/m.room.member/${encodeURIComponent(alice.userId)}`;
    await alice.request('PUT', member, { membership: 'join', displayname: 'Alice at home' });
    await alice.request('PUT', `${path(room.roomId)}/send/m.room.message/1`, { body: 'mine', msgtype: 'm.text' });
    await join(ada, room.roomId);
    expect(joinsOf(room.roomId)).toBe(2);
    expect((await ada.request('GET', member)).displayname).toBe('Alice at home');
    const { joined } = await alice.request('GET', `${path(room.roomId)}/joined_members`);
    expect(Object.keys(joined)).toContain(ada.userId);
    const latest = room.message('after both');
    await other.send(a, [wire(latest)]);
    expect(await textsOf(ada, room.roomId)).toEqual(['after both', 'mine']);
  });
});
