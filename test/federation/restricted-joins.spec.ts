import { Network } from '../network/network.js';
import { roomPath as room } from '../network/room-pages.js';
import { joinedMembers as members, settles, stateOf as state } from '../network/room-requests.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

let net: Network;
let a: TestServer; let b: TestServer; let c: TestServer;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  alice = await net.client(a).register('alice');
  bob = await net.client(b).register('bob');
  carol = await net.client(c).register('carol');
}, 60_000);
afterAll(() => net?.stop());

const join = (client: TestClient, roomId: string, ...via: TestServer[]): Promise<Json> =>
  client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: via.map((server) => server.name) } });
const refused = (client: TestClient, roomId: string, ...via: TestServer[]): Promise<Json> =>
  client.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: via.map((server) => server.name) } });
const inRoom = (roomId: string): Json => ({ type: 'm.room_membership', room_id: roomId, via: [a.name] });
const authoriser = async (roomId: string, client: TestClient): Promise<string | undefined> => (await state(alice, roomId, 'm.room.member', client.userId)).join_authorised_via_users_server;

describe.each([['8', 'restricted'], ['10', 'knock_restricted'], ['12', 'restricted']])('a room of version %s with the rule %s', (version, rule) => {
  let space: string;
  beforeEach(async () => {
    space = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
  });
  const create = async (allow: unknown, more: Json = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', {
    room_version: version, preset: 'private_chat', initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: rule, allow } }], ...more,
  })).room_id;

  it('lets in who is in one of the rooms that it names, whatever else it names', async () => {
    const odd = [null, 1, 'x', {}, { type: 'm.room_membership' }, { type: 'm.room_membership', room_id: 7 }, { type: 'org.example.moon', phase: 'full' }];
    const roomId = await create([...odd, inRoom(space)]);
    const dave = await net.client(a).register(`dave${version}`);
    for (const client of [dave, bob]) {
      await refused(client, roomId, a);
      await join(client, space, a);
      await join(client, roomId, a);
      expect(await authoriser(roomId, client)).toBe(alice.userId);
      // What one was let in by holds, and not for another time.
      await client.request('POST', `${room(space)}/leave`, {});
      await settles(async () => expect(await members(alice, space)).not.toContain(client.userId));
      await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body: 'in', msgtype: 'm.text' });
      await client.request('POST', `${room(roomId)}/leave`, {});
      await settles(async () => expect(await members(alice, roomId)).not.toContain(client.userId));
      await refused(client, roomId, a);
      // By an invitation nobody needs to be authorised.
      await alice.request('POST', `${room(roomId)}/invite`, { user_id: client.userId });
      await client.request('POST', `${room(roomId)}/join`, {});
      expect(await authoriser(roomId, client)).toBeUndefined();
    }
  });

  it('lets nobody in whose condition nobody can read, or that it does not name', async () => {
    for (const allow of ['x', {}, [], undefined, [{ type: 'org.example.moon' }], [inRoom(`!none:${a.name}`)]]) {
      const roomId = await create(allow);
      for (const client of [bob, await net.client(a).register(`erin${Math.random().toString(36).slice(2)}`)]) await refused(client, roomId, a);
    }
  });

  it('is entered through a server whose people may invite, where those of the first one may not', async () => {
    const roomId = await create([inRoom(space)], { power_level_content_override: { invite: 50 } });
    for (const client of [bob, carol]) await join(client, space, a);
    await join(carol, roomId, a);
    // Carol's server has nobody who may invite.
    await join(bob, roomId, c, a);
    expect(await authoriser(roomId, bob)).toBe(alice.userId);
    // Nor has the one on which another one is, who is in the room's server already.
    const dora = await net.client(c).register(`dora${version}`);
    await join(dora, space, a);
    await settles(async () => expect(await members(alice, space)).toContain(dora.userId));
    await join(dora, roomId, c);
    expect(await authoriser(roomId, dora)).toBe(alice.userId);
    // When nobody is left who may, nobody comes in.
    await alice.request('POST', `${room(roomId)}/leave`, {});
    await settles(async () => expect(await members(carol, roomId)).not.toContain(alice.userId));
    const gus = await net.client(b).register(`gus${version}`);
    await join(gus, space, a);
    await settles(async () => expect(await members(carol, space)).toContain(gus.userId));
    await refused(gus, roomId, c, b);
    const hal = await net.client(a).register(`hal${version}`);
    await join(hal, space);
    await settles(async () => expect(await members(carol, space)).toContain(hal.userId));
    await refused(hal, roomId, c);
  });
});
