import { HostileHome } from './hostile-home.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer } from './hostile-server.js';
import { createRoom, join, reads, say, settles, state } from '../homes/talk.js';
import { TestDeviceKeys } from '../integration/test-keys.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { TestClient, type Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// A home that was dropped asks for everything that a home gets (protocol §2, "Telling and asking"; §3, "Dropping a home").
let net: Network;
let a: TestServer;
let c: TestServer;
let dropped: HostileServer;
let count = 0;

const FEDERATION = '/_matrix/federation';
const PARTYLINE = `${FEDERATION}/unstable/io.partyline`;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'c'] });
  [a, c] = net.servers as [TestServer, TestServer];
  dropped = await HostileServer.start();
  dropped.on(/v1\/send\//, () => ({ pdus: {} }));
  dropped.on(/io\.partyline\/records$/, () => ({ records: [] }));
  dropped.on(/io\.partyline\/record$/, (_path, body) => body);
}, 90_000);
afterAll(async () => {
  dropped?.hangUp();
  await dropped?.stop();
  await net?.stop();
});
afterEach(() => a.start());

interface Scene {
  readonly alice: Person;
  readonly bob: TestClient;
  readonly roomId: string;
  /** An event of when the hostile server was a home. */
  readonly before: string;
}

/** Alice at A and at the hostile server, in a room with Bob at C. */
async function scene(visibility = 'shared'): Promise<Scene> {
  const alice = await Person.named(`owner${++count}`, a);
  const { entry } = new HostileHome(dropped, alice.userId);
  const roomId = await createRoom(alice.at(a), { initial_state: [{ type: 'm.room.history_visibility', state_key: '', content: { history_visibility: visibility } }] });
  const bob = await net.client(c).register(`friend${count}`);
  await join(bob, roomId, a);
  await alice.publish(alice.next({ add: [entry] }), a);
  await hasRecord(bob, roomId, alice);
  const before = await say(bob, roomId, 'while it was a home');
  await reads(alice.at(a), roomId, 'while it was a home');
  return { alice, bob, roomId, before };
}

const hasRecord = (client: TestClient, roomId: string, person: Person): Promise<void> =>
  settles(async () => expect((await state(client, roomId, 'm.room.member', person.userId)).home_record.seq).toBe(person.record.seq));

/** What it gets of a room's history, by the way that it asks; a way that gives nothing is not named. */
async function whatItReads(server: TestServer, { alice, roomId }: Scene, eventId: string, record: Json): Promise<Json> {
  const [room, event, user] = [roomId, eventId, alice.userId].map(encodeURIComponent);
  const ways: Record<string, [method: string, path: string, body?: Json]> = {
    event: ['GET', `${FEDERATION}/v1/event/${event}`],
    state: ['GET', `${FEDERATION}/v1/state/${room}?event_id=${event}`],
    stateIds: ['GET', `${FEDERATION}/v1/state_ids/${room}?event_id=${event}`],
    backfill: ['GET', `${FEDERATION}/v1/backfill/${room}?v=${event}&limit=10`],
    missing: ['POST', `${FEDERATION}/v1/get_missing_events/${room}`, { latest_events: [eventId], earliest_events: [], limit: 10 }],
    eventAuth: ['GET', `${FEDERATION}/v1/event_auth/${room}/${event}`],
    attach: ['GET', `${PARTYLINE}/attach/${room}?user_id=${user}`],
    attachWithRecord: ['POST', `${PARTYLINE}/attach/${room}`, { user_id: alice.userId, record }],
    ends: ['POST', `${PARTYLINE}/attach/${room}`, { user_id: alice.userId, record, ends_only: true }],
    snapshot: ['GET', `${PARTYLINE}/account/${user}/snapshot`],
    ops: ['POST', `${PARTYLINE}/account/${user}/ops/missing`, { since: {} }],
  };
  const read: Json = {};
  for (const [way, [method, path, body]] of Object.entries(ways)) {
    const answer = await dropped.raw(server, method, path, body);
    if (answer.status === 200) read[way] = true;
    else if (![403, 404].includes(answer.status)) read[way] = answer.status;
  }
  return read;
}

const OF_ROOMS = { event: true, state: true, stateIds: true, backfill: true, missing: true, eventAuth: true, attach: true, attachWithRecord: true, ends: true };

it.each(['shared', 'joined'])('reads nothing of a room with history that is %s, as soon as a server knows the record', async (visibility) => {
  const here = await scene(visibility);
  const { alice, bob, roomId, before } = here;
  const old = alice.record;
  expect(await whatItReads(c, here, before, old)).toEqual(OF_ROOMS);
  expect(await whatItReads(a, here, before, old)).toEqual({ ...OF_ROOMS, snapshot: true, ops: true });
  // C has the record, and the room does not show it yet, because its home is away.
  const next = alice.next({ drop: [dropped.name] });
  await a.stop();
  await alice.publish(next, c);
  const between = await say(bob, roomId, 'between the record and the room');
  for (const eventId of [between, before]) expect(await whatItReads(c, here, eventId, old)).toEqual({});
  const device = await TestDeviceKeys.upload(bob);
  await a.start();
  await alice.publish(next, a);
  await hasRecord(bob, roomId, alice);
  await reads(alice.at(a), roomId, 'between the record and the room');
  const after = await say(bob, roomId, 'after');
  await reads(alice.at(a), roomId, 'after');
  for (const server of [a, c]) for (const eventId of [before, between, after]) expect(await whatItReads(server, here, eventId, old)).toEqual({});
  for (const secret of ['between the record and the room', device.deviceId]) expect(JSON.stringify(dropped.requests)).not.toContain(secret);
}, 60_000);

it('is not confirmed in an old record by a server that says nothing of it', async () => {
  const ignorant = await HostileServer.start();
  try {
    const alice = await Person.selfCertified(`owner${++count}`, a);
    const bob = await net.client(c).register(`friend${count}`);
    // A room of a standard version: it shows no record of hers.
    const roomId = await createRoom(bob, { room_version: '12' });
    await join(alice.at(a), roomId, c);
    await HostileRoom.join(ignorant, c, roomId);
    await alice.publish(alice.next({ add: [new HostileHome(dropped, alice.userId).entry] }), a);
    const old = alice.record;
    await alice.publish(alice.next({ drop: [dropped.name] }), a);
    await a.stop();
    ignorant.on(/io\.partyline\/records$/, (_path, { nonce }) => ({ records: [], proofs: { [alice.userId]: nonce } }));
    const keys = { user_id: alice.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': dropped.key.publicKey }, signatures: {} };
    dropped.on(/user\/devices/, () => ({ user_id: alice.userId, stream_id: 99, devices: [{ device_id: 'EVIL', keys }] }));
    await dropped.request(c, 'POST', `${PARTYLINE}/record`, old);
    const answer = await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] }, timeout: 2_000 });
    expect(JSON.stringify(answer)).not.toContain('EVIL');
    expect(ignorant.requests.some(({ path }) => path.endsWith('/records'))).toBe(true);
  } finally {
    ignorant.hangUp();
    await ignorant.stop();
  }
}, 60_000);

it('hands nobody device keys, and says nothing in the name of who dropped it', async () => {
  const { alice, bob, roomId } = await scene();
  await a.stop();
  await alice.publish(alice.next({ drop: [dropped.name] }), c);
  const keys = { user_id: alice.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': dropped.key.publicKey }, signatures: {} };
  dropped.on(/user\/keys\/query/, () => ({ device_keys: { [alice.userId]: { EVIL: keys } } }));
  dropped.on(/user\/devices/, () => ({ user_id: alice.userId, stream_id: 9, devices: [{ device_id: 'EVIL', keys }] }));
  const query = async (client: TestClient): Promise<string> =>
    JSON.stringify(await client.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] }, timeout: 2_000 }));
  const edus = [
    { edu_type: 'm.device_list_update', content: { user_id: alice.userId, device_id: 'EVIL', stream_id: 10, prev_id: [], keys } },
    { edu_type: 'm.direct_to_device', content: { sender: alice.userId, type: 'evil', message_id: 'x1', messages: { [bob.userId]: { '*': { evil: true } } } } },
    { edu_type: 'm.typing', content: { room_id: roomId, user_id: alice.userId, typing: true } },
    { edu_type: 'm.presence', content: { push: [{ user_id: alice.userId, presence: 'online', status_msg: 'evil', last_active_ago: 1 }] } },
  ];
  const since = (await bob.request('GET', '/v3/sync')).next_batch;
  await dropped.send(c, [], edus);
  expect(await query(bob)).not.toContain('EVIL');
  const synced = await bob.request('GET', '/v3/sync', undefined, { query: { since, timeout: 0 } });
  expect({ toDevice: synced.to_device?.events ?? [], typing: JSON.stringify(synced).includes('m.typing'), isEvil: JSON.stringify(synced).includes('evil') })
    .toEqual({ toDevice: [], typing: false, isEvil: false });
  await a.start();
  await alice.publish(alice.record, a);
  await dropped.send(a, [], edus);
  expect(await query(alice.at(a))).not.toContain('EVIL');
}, 60_000);

it('is not confirmed in an old record by another dropped home', async () => {
  const accomplice = await HostileServer.start();
  try {
    // Nobody has to ask a domain to prove the name.
    const alice = await Person.selfCertified(`owner${++count}`, a);
    const bob = await net.client(c).register(`friend${count}`);
    const pair = [dropped, accomplice];
    await alice.publish(alice.next({ add: pair.map((server) => new HostileHome(server, alice.userId).entry) }), a);
    const old = alice.record;
    await alice.publish(alice.next({ drop: pair.map(({ name }) => name) }), a);
    const keys = { user_id: alice.userId, device_id: 'EVIL', algorithms: [], keys: { 'ed25519:EVIL': dropped.key.publicKey }, signatures: {} };
    for (const server of pair) {
      server.on(/io\.partyline\/records$/, () => ({ records: [old] }));
      server.on(/user\/keys\/query/, () => ({ device_keys: { [alice.userId]: { EVIL: keys } } }));
      server.on(/user\/devices/, () => ({ user_id: alice.userId, stream_id: 9, devices: [{ device_id: 'EVIL', keys }] }));
    }
    await a.stop();
    await dropped.request(c, 'POST', `${PARTYLINE}/record`, old);
    const answer = await bob.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] }, timeout: 2_000 });
    expect(JSON.stringify(answer)).not.toContain('EVIL');
    // They were asked: it is their word that did not count.
    expect(accomplice.requests.some(({ path }) => path.endsWith('/records'))).toBe(true);
  } finally {
    accomplice.hangUp();
    await accomplice.stop();
  }
}, 60_000);
