import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { RemoteProfiles } from '../../apps/homeserver/src/accounts/remote-profiles.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { SilentServers } from './silent-servers.js';

let world: HostileWorld;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let silent: SilentServers;
beforeAll(async () => {
  world = await HostileWorld.start(async (net) => (await Person.selfCertified('alice', net.server('a'))).at(net.server('a')));
  ({ a, b, alice } = world);
  silent = await SilentServers.start();
});
afterAll(async () => {
  await silent?.stop();
  await world?.stop();
});

describe('who names servers that are silent', () => {
  it('does not keep others from proving who they are', async () => {
    const ring = a.get(KeyRing);
    // As with requests that are signed, as they say, by two hundred servers.
    for (const name of silent.names(200)) void ring.publicKey(name, 'ed25519:x', undefined, '192.0.2.1');
    await eventually(() => silent.called.size >= 8);
    const stranger = await HostileServer.start();
    try {
      await within(5_000, () => stranger.expectError(404, 'M_NOT_FOUND', a, 'GET', `/_matrix/federation/v1/query/profile?user_id=@nobody:${a.name}`));
    } finally {
      await stranger.stop();
    }
  });

  it('does not keep others from reading profiles', async () => {
    const profiles = b.get(RemoteProfiles);
    for (const name of silent.names(100)) void profiles.get(`@x:${name}`).catch(() => undefined);
    await within(5_000, () => world.bob.request('GET', `/v3/profile/${encodeURIComponent(alice.userId)}`));
  });

  it.each([
    ['keys/query', (users: string[]) => ({ timeout: 1_000, device_keys: Object.fromEntries(users.map((user) => [user, []])) })],
    ['keys/claim', (users: string[]) => ({ timeout: 1_000, one_time_keys: Object.fromEntries(users.map((user) => [user, { X: 'signed_curve25519' }])) })],
  ])('has those of them asked by %s that get their turn within the time that he waits', async (endpoint, body) => {
    silent.called.clear();
    const users = silent.names(1_000).map((name) => `@x:${name}`);
    const { failures } = await alice.request('POST', `/v3/${endpoint}`, body(users));
    expect(Object.keys(failures)).toHaveLength(1_000);
    // Of the three hundred that may be asked those whose turn came within that time.
    expect(silent.called.size).toBeGreaterThan(0);
    expect(silent.called.size).toBeLessThan(100);
  });

  it('who answers make_join and hangs in send_join does not keep others from joining', async () => {
    const tarpit = await HostileServer.start();
    const { room_id: roomId } = await world.bob.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    const mallory = await world.net.client('a').register('mallory.sends');
    const template = await world.net.server('a').get(FederationClient).request({
      destination: b.name, method: 'GET', path: `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(mallory.userId)}`, query: { ver: ['12'] },
    });
    tarpit.on(/make_join/, () => template);
    tarpit.on(/send_join/, () => undefined);
    const waiting = mallory.raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: tarpit.name } }).catch(() => undefined);
    await eventually(() => tarpit.requests.some((request) => request.path.includes('send_join')));
    await within(20_000, () => alice.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: b.name } }));
    await tarpit.stop();
    await waiting;
  }, 60_000);

  it('does not keep others from joining the room that he would join', async () => {
    const tarpit = await HostileServer.start();
    tarpit.on(/make_join/, () => undefined);
    const { room_id: roomId } = await world.bob.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    const mallory = await world.net.client('a').register('mallory.joins');
    const waiting = mallory.raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: tarpit.name } }).catch(() => undefined);
    await eventually(() => tarpit.requests.some((request) => request.path.includes('make_join')));
    await within(10_000, () => alice.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: b.name } }));
    await tarpit.stop();
    await waiting;
  });
});

describe('who names events that nobody has', () => {
  it('does not have others asked for them without end', async () => {
    const witness = await HostileServer.start();
    const bad = await HostileServer.start();
    try {
      const seen = new HostilePerson('witness', witness);
      const { roomId } = await world.sharedRoom('io.partyline.1', { by: witness, userId: seen.userId, joins: seen.inRooms });
      const mallory = new HostilePerson('mallory', bad);
      const room = await HostileRoom.join(bad, a, roomId, mallory.userId, mallory.inRooms);
      const events = Array.from({ length: 50 }, (_, i) => room.message(`loose ${i}`, {
        prev_events: Array.from({ length: 20 }, (_, j) => `$${`${i}x${j}`.padStart(43, 'o')}`),
      }));
      await bad.send(a, events.map(wire));
      const asked = witness.requests.filter(({ path: uri }) => uri.includes('/event/')).length;
      expect(asked).toBeGreaterThan(0);
      expect(asked).toBeLessThanOrEqual(250);
      expect((await alice.raw('GET', `${path(roomId)}/state`)).status).toBe(200);
    } finally {
      await witness.stop();
      await bad.stop();
    }
  });
});
