import { OutboxStore } from '../../apps/homeserver/src/federation/outbox/outbox.store.js';
import { HomeConsents } from '../../apps/homeserver/src/homes/records/home-consents.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, join, reads, roomPath, say, settles } from './talk.js';

let net: Network;
let a: TestServer;
let b: TestServer;
/** A server that has agreed to nothing; it answers requests for its keys, and notes all others. */
let victim: HostileServer;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
});
afterAll(() => net.stop());
beforeEach(async () => {
  victim = await HostileServer.start();
});
afterEach(() => victim.stop());

const got = (): string[] => victim.requests.filter(({ path }) => !path.startsWith('/_matrix/key/')).map(({ method, path }) => `${method} ${path}`);

/** What a transaction to the victim holds of messages. */
const messagesGot = (): string[] =>
  victim.requests.flatMap(({ path, body }) => (path.includes('/v1/send/') ? body.pdus : [])).flatMap((pdu: Json) => pdu.content.body ?? []);

const isInvited = (client: TestClient, roomId: string): Promise<void> => settles(async () => expect(Object.keys((await client.request('GET', '/v3/sync')).rooms?.invite ?? {})).toContain(roomId));

/** Somebody at A whose record names the victim, in a room with somebody at B. */
async function aiming(accepted: (real: Json) => Json): Promise<{ alice: Person; bob: TestClient; roomId: string }> {
  const alice = await Person.named(`alice${++count}`, a);
  const bob = await net.client(b).register(`bob${count}`);
  const [entry] = alice.record.homes;
  await alice.publish(alice.next({ add: [{ ...entry!, server_name: victim.name, priority: 5, accepted: accepted(entry!.accepted) }] }), a);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  return { alice, bob, roomId };
}

describe.each<[string, (real: Json) => Json]>([
  ['the consent of another server', (real) => real],
  ['a consent by a key that does not exist', (real) => ({ 'ed25519:made_up': Object.values(real)[0] })],
  ['a consent that is no signature', () => ({ 'ed25519:bad': 'A'.repeat(86) })],
])('a record that names a server with %s', (_what, accepted) => {
  it('brings it no messages, neither of rooms nor to devices, and no typing or receipts', async () => {
    const { alice, bob, roomId } = await aiming(accepted);
    for (let i = 0; i < 3; i++) {
      const eventId = await say(alice.at(a), roomId, `from a ${i}`);
      await say(bob, roomId, `from b ${i}`);
      await reads(bob, roomId, `from a ${i}`);
      await bob.request('PUT', `${roomPath(roomId)}/typing/${encodeURIComponent(bob.userId)}`, { typing: true, timeout: 5_000 });
      await bob.request('POST', `${roomPath(roomId)}/receipt/m.read/${encodeURIComponent(eventId)}`, {});
      await bob.request('PUT', `/v3/sendToDevice/org.example.test/${bob.nextTxn()}`, { messages: { [alice.userId]: { '*': { i } } } });
    }
    await reads(alice.at(a), roomId, 'from b 2');
    await settles(async () => expect((await alice.at(a).request('GET', '/v3/sync')).to_device?.events).toHaveLength(3));
    // B forgets what it knew of the victim; what comes first now is no event.
    await b.restart();
    await bob.request('PUT', `${roomPath(roomId)}/typing/${encodeURIComponent(bob.userId)}`, { typing: true, timeout: 5_000 });
    await bob.request('PUT', `/v3/sendToDevice/org.example.test/${bob.nextTxn()}`, { messages: { [alice.userId]: { '*': { i: 3 } } } });
    await settles(async () => expect((await alice.at(a).request('GET', '/v3/sync')).to_device?.events).toHaveLength(4));
    await settles(() => expect(b.get(OutboxStore).eduDestinations()).resolves.toEqual([]));
    expect(got()).toEqual([]);
  });

  it('brings it no invitations and no questions about keys', async () => {
    const { alice, bob } = await aiming(accepted);
    // Until that can be told it might have a new key.
    for (const server of [a, b]) await settles(() => expect(server.get(HomeConsents).of(alice.record, victim.name)).resolves.toBe('refused'), 25_000);
    const { room_id: roomId } = await bob.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1' });
    await bob.request('POST', `${roomPath(roomId)}/invite`, { user_id: alice.userId });
    await isInvited(alice.at(a), roomId);
    await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] } });
    await bob.request('POST', '/v3/keys/claim', { one_time_keys: { [alice.userId]: { DEVICE: 'signed_curve25519' } } });
    expect(got()).toEqual([]);
  });

  it('does not keep it from what is meant for it', async () => {
    const { bob, roomId } = await aiming(accepted);
    await say(bob, roomId, 'not for you');
    const { room_id: other } = await bob.request('POST', '/v3/createRoom', { room_version: '12', preset: 'public_chat' });
    await HostileRoom.join(victim, b, other);
    await say(bob, other, 'for you');
    await settles(() => expect(messagesGot()).toContain('for you'), 25_000);
    expect(messagesGot()).not.toContain('not for you');
  });
});
