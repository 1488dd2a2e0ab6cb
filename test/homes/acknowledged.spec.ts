import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, texts } from './talk.js';

// What `io.partyline.replicas` counts (protocol §5).
let network: LinkedNetwork;
let a: TestServer; let b: TestServer; let c: TestServer;
let count = 0;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
}, 60_000);
afterAll(() => network?.stop());
afterEach(() => {
  for (const [one, other] of [[a, b], [a, c], [b, c]] as const) network.cut(one, other, 'open');
});

const send = (client: TestClient, roomId: string, body: string, query: Json): Promise<Json> =>
  client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' }, { query });

it('not a server that holds the event and does not show it; which one that is, is said', async () => {
  const alice = await Person.named(`alice${++count}`, a);
  const carol = await network.net.client(b).register(`carol${count}`);
  const roomId = await createRoom(carol);
  await join(alice.at(a), roomId, b);
  await say(alice.at(a), roomId, 'before');
  await reads(carol, roomId, 'before');
  network.link(b, a).set('refused');
  await carol.request('POST', `${roomPath(roomId)}/ban`, { user_id: alice.userId });
  const answer = await send(alice.at(a), roomId, 'not wanted', { 'io.partyline.replicas': 2 });
  expect(answer['io.partyline.replicas']).toEqual([a.name]);
  expect(Object.keys(answer['io.partyline.refused'])).toEqual([b.name]);
  expect(await texts(carol, roomId)).not.toContain('not wanted');
});

it('a server that shows the twin, and says which; the twin of an event that nobody shows is shown', async () => {
  const alice = await Person.named(`alice${++count}`, a);
  const bob = await network.net.client(c).register(`bob${count}`);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await isIn(await alice.addHome(b), roomId);
  await say(bob, roomId, 'ready');
  for (const client of [alice.at(a), alice.at(b)]) await reads(client, roomId, 'ready');
  network.cut(a, b);
  const once = { 'io.partyline.txn': Buffer.from('sixteen bytes, 1').toString('base64url') };
  const first = await send(alice.at(a), roomId, 'said once', { ...once, 'io.partyline.replicas': 2 });
  const second = await send(alice.at(b), roomId, 'said once', { ...once, 'io.partyline.replicas': 2 });
  expect(second.event_id).not.toBe(first.event_id);
  expect(second['io.partyline.replicas']).toEqual([b.name, c.name]);
  expect(second['io.partyline.twins']).toEqual({ [c.name]: first.event_id });
  expect((await texts(bob, roomId)).filter((text) => text === 'said once')).toHaveLength(1);
});

it('a refusal that comes late is told by the reach of the room', async () => {
  const alice = await Person.named(`alice${++count}`, a);
  const carol = await network.net.client(b).register(`carol${count}`);
  const roomId = await createRoom(carol);
  await join(alice.at(a), roomId, b);
  await say(carol, roomId, 'before');
  await reads(alice.at(a), roomId, 'before');
  network.cut(a, b);
  await carol.request('POST', `${roomPath(roomId)}/ban`, { user_id: alice.userId });
  const answer = await send(alice.at(a), roomId, 'too late', { 'io.partyline.replicas': 2 });
  expect(answer['io.partyline.replicas']).toEqual([a.name]);
  expect(answer['io.partyline.refused']).toBeUndefined();
  // Only this direction, so that Alice's home does not hear of the ban.
  network.link(a, b).set('open');
  await settles(async () => {
    const { event } = await alice.at(a).request('GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`, undefined, { query: { event_id: answer.event_id } });
    expect(Object.keys(event.refused)).toEqual([b.name]);
    expect(event.replicas).toEqual([]);
  });
});

it('what was refused is judged again when it comes again, and what a server said before a restart is not made up', async () => {
  const alice = await Person.named(`alice${++count}`, a);
  const carol = await network.net.client(b).register(`carol${count}`);
  const roomId = await createRoom(carol);
  await join(alice.at(a), roomId, b);
  await say(alice.at(a), roomId, 'before');
  await reads(carol, roomId, 'before');
  network.link(b, a).set('refused');
  await carol.request('POST', `${roomPath(roomId)}/ban`, { user_id: alice.userId });
  const { event_id: eventId } = await send(alice.at(a), roomId, 'beside a ban', { 'io.partyline.replicas': 2 });
  const reach = (): Promise<Json> => alice.at(a).request('GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`, undefined, { query: { event_id: eventId } });
  expect(Object.keys((await reach()).event.refused)).toEqual([b.name]);
  await carol.request('POST', `${roomPath(roomId)}/unban`, { user_id: alice.userId });
  network.link(b, a).set('open');
  await settles(async () => expect((await alice.at(a).request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(roomId));
  await settles(async () => expect((await alice.at(a).raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: b.name } })).status).toBe(200));
  await say(alice.at(a), roomId, 'back');
  await reads(carol, roomId, 'back');
  expect(await texts(carol, roomId)).not.toContain('beside a ban');
  const { event } = (await a.get(EventsStore).byId(roomId, eventId))!;
  const transaction = { origin: a.name, origin_server_ts: 0, pdus: [JSON.parse(event.json)], edus: [] };
  await a.get(FederationClient).request({ destination: b.name, method: 'PUT', path: '/_matrix/federation/v1/send/again', body: transaction });
  await reads(carol, roomId, 'beside a ban');
  await a.restart();
  expect(await reach()).not.toHaveProperty('event');
});

it('commits that are answered wait for the disk, whatever the cluster is set to', async () => {
  const show = statement('test.synchronous_commit', "SELECT current_setting('synchronous_commit') AS now, reset_val AS otherwise FROM pg_settings WHERE name = 'synchronous_commit'");
  const rows = await Promise.all(Array.from({ length: 10 }, () => a.get(Database).query(show)));
  expect(rows.flat()).toEqual(Array.from({ length: 10 }, () => ({ now: 'on', otherwise: 'off' })));
});
