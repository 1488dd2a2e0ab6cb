import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, join, reads, say, settles } from './talk.js';

let network: LinkedNetwork;
let a: TestServer; let c: TestServer;
beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'c']);
  [a, c] = network.servers as [TestServer, TestServer];
}, 60_000);
afterAll(() => network?.stop());

const sync = (client: TestClient, since: string): Promise<Json> =>
  client.request('GET', '/v3/sync', undefined, { query: { since, filter: '{"room":{"timeline":{"limit":100}}}' } });

it('shows what was said in a room that it holds while the account was coming', async () => {
  const alice = await Person.named('alice', a);
  const carol = await network.net.client(c).register('carol');
  const roomId = await createRoom(alice.at(a));
  await join(carol, roomId, a);
  await say(carol, roomId, 'before');
  await reads(alice.at(a), roomId, 'before');
  await c.get(KeyRing).listed(a.name);
  // An emergency home: it knows nothing of the account but the record, and goes on where the client was.
  network.cut(a, c);
  const client = await alice.addHome(c);
  const place = { rooms: { [roomId]: [await say(carol, roomId, 'unseen')] }, account: {} };
  let { since }: Json = await client.request('POST', `${homesPath}/sync/resume`, place);
  since = (await sync(client, since)).next_batch;
  await say(carol, roomId, 'between');
  await client.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.test`, { on: true });
  const answer = await sync(client, since);
  expect(answer.rooms?.join?.[roomId]).toBeUndefined();
  since = answer.next_batch;
  // Now the client says which rooms it is in.
  await alice.publish(alice.record, c, { rooms: { [roomId]: [c.name] }, ...(await alice.proof(c)) });
  const shown: string[] = [];
  await settles(async () => {
    const { next_batch: next, rooms } = await sync(client, since);
    since = next;
    const timeline = rooms?.join?.[roomId]?.timeline;
    if (timeline?.limited) shown.length = 0;
    shown.push(...(timeline?.events ?? []).flatMap((event: Json) => event.content.body ?? []));
    expect(shown).toEqual(['before', 'unseen', 'between']);
  });
  // From then on it is a room like any other, a change of name included.
  await say(carol, roomId, 'after');
  await client.request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
  await settles(async () => expect((await sync(client, since)).rooms.join[roomId].timeline).toMatchObject({ limited: false, events: [{ content: { body: 'after' } }, { sender: alice.userId }] }));
}, 60_000);
