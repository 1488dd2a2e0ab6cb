import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

const room = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const createRoom = async (client: TestClient, body: object = {}): Promise<string> =>
  (await client.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat', ...body })).room_id;
const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;

/** Texts of the room's messages as the client can read them, newest first. */
async function texts(client: TestClient, roomId: string): Promise<string[]> {
  const { chunk } = await client.request('GET', `${room(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100 } });
  return chunk.flatMap((event: Json) => event.content.body ?? []);
}

const isReady = (client: TestClient, server: string) => eventually(async () => {
  const { homes } = await client.request('GET', `${homesPath}/account/homes`);
  const { rooms } = homes.find((home: Json) => home.server_name === server);
  return rooms.complete && rooms.ready === rooms.total && rooms;
}, 20_000);

describe('a second home', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b', 'c'] });
  });
  afterAll(() => net.stop());

  it('brings the rooms over and speaks for the account', async () => {
    const [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    const alice = await Person.named('alice', a);
    const bob = await net.client(c).register('bob');
    const roomId = await createRoom(alice.at(a), { name: 'Ours' });
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    await say(alice.at(a), roomId, 'before');
    const second = await alice.addHome(b, { through: a });
    expect(await isReady(second, b.name)).toMatchObject({ ready: 1, total: 1 });

    await say(second, roomId, 'from b');
    await say(bob, roomId, 'from c');
    await say(alice.at(a), roomId, 'from a');
    const all = (list: string[]) => ['before', 'from a', 'from b', 'from c'].every((text) => list.includes(text));
    for (const client of [bob, second, alice.at(a)]) {
      await eventually(async () => all(await texts(client, roomId)) || Promise.reject(new Error(String(await texts(client, roomId)))));
    }
  });

  it('can be added when all others are dead, from one living replica', async () => {
    const net2 = await Network.start({ servers: ['a', 'b', 'c'] });
    try {
      const [a, b, c] = net2.servers as [TestServer, TestServer, TestServer];
      const alice = await Person.named('alice', a);
      const bob = await net2.client(c).register('bob');
      const roomId = await createRoom(alice.at(a));
      await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
      await say(alice.at(a), roomId, 'last words of a');
      await eventually(async () => (await texts(bob, roomId)).length === 1);
      // Who has never had to do with a domain cannot tell, once it is dead, whose name it gave.
      await b.get(KeyRing).listed(a.name);
      await a.stop();

      const entry = await alice.offer(b);
      await alice.publish(alice.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [c.name] }, ...(await alice.proof(b)) });
      const client = await alice.login(b);
      await eventually(async () => (await client.request('GET', '/v3/joined_rooms')).joined_rooms.includes(roomId));
      await say(client, roomId, 'I am here');
      await eventually(async () => (await texts(bob, roomId)).includes('I am here'));
      await say(bob, roomId, 'welcome');
      await eventually(async () => (await texts(client, roomId)).includes('welcome'));
    } finally {
      await net2.stop();
    }
  });

  it('misses nothing that is said while it moves in', async () => {
    const [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    const carol = await Person.named('carol', a);
    const dan = await net.client(c).register('dan');
    const roomId = await createRoom(carol.at(a));
    await dan.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    const said = Array.from({ length: 30 }, (_, i) => `number ${i}`);
    const talk = (async () => {
      for (const [i, text] of said.entries()) await say(i % 2 === 0 ? dan : carol.at(a), roomId, text);
    })();
    const atB = await carol.addHome(b, { through: a });
    await Promise.all([talk, isReady(atB, b.name)]);
    await eventually(async () => {
      const heard = await texts(atB, roomId);
      const missing = said.filter((text) => !heard.includes(text));
      return missing.length === 0 || Promise.reject(new Error(String(missing)));
    });
    // Each once.
    const heard = await texts(atB, roomId);
    expect(heard).toHaveLength(new Set(heard).size);
  });

  it('goes on moving in after a restart, when a replica comes back', async () => {
    const [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    const erin = await Person.named('erin', a);
    const frank = await net.client(c).register('frank');
    const roomId = await createRoom(erin.at(a));
    await frank.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    await eventually(async () => (await frank.request('GET', '/v3/joined_rooms')).joined_rooms.includes(roomId));
    await Promise.all([a.stop(), c.stop()]);
    try {
      const entry = await erin.offer(b);
      await erin.publish(erin.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [c.name] }, ...(await erin.proof(b)) });
      await erin.login(b);
      await eventually(async () => {
        const { homes } = await erin.at(b).request('GET', `${homesPath}/account/homes`);
        return homes[0].rooms.failures.length === 1 && homes[0].rooms.total === 1;
      });
      await b.restart();
      expect((await erin.at(b).request('GET', `${homesPath}/account/homes`)).homes[0].rooms).toMatchObject({ ready: 0, total: 1 });
      await c.start();
      await eventually(async () => (await erin.at(b).request('GET', `${homesPath}/account/homes`)).homes[0].rooms.ready === 1, 20_000);
      await say(erin.at(b), roomId, 'moved');
      await eventually(async () => (await texts(frank, roomId)).includes('moved'));
    } finally {
      await Promise.all([a.start(), c.start()]);
    }
  });

  it('and the first show one of two copies of a message that was sent at both while they were apart', async () => {
    const [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
    const gina = await Person.named('gina', a);
    const hugo = await net.client(c).register('hugo');
    const roomId = await createRoom(gina.at(a));
    await hugo.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } });
    const atB = await gina.addHome(b, { through: a });
    await isReady(atB, b.name);
    await say(hugo, roomId, 'before');
    for (const client of [gina.at(a), atB]) await eventually(async () => (await texts(client, roomId)).includes('before'));
    const query = { 'io.partyline.txn': 'bWVzc2FnZSBvZiBnaW5hIQ' };
    const twin = (client: TestClient) =>
      client.request('PUT', `${room(roomId)}/send/m.room.message/twin`, { body: 'twin', msgtype: 'm.text' }, { query });
    await Promise.all([b.stop(), c.stop()]);
    await twin(gina.at(a));
    await a.stop();
    await b.start();
    await twin(atB);
    await Promise.all([a.start(), c.start()]);
    await say(gina.at(a), roomId, 'after, from a');
    await say(atB, roomId, 'after, from b');
    for (const client of [gina.at(a), atB, hugo]) {
      await eventually(async () => {
        const heard = await texts(client, roomId);
        return (heard.includes('after, from a') && heard.includes('after, from b')) || Promise.reject(new Error(String(heard)));
      }, 20_000);
      expect((await texts(client, roomId)).filter((text) => text === 'twin')).toHaveLength(1);
    }
  });
});
