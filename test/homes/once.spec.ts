import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, Listener, reads, say, settles, state, texts, roomPath } from './talk.js';

let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
});
afterAll(() => net.stop());

const txn = (text: string): Json => ({ query: { 'io.partyline.txn': Buffer.from(text.padEnd(16, '.')).toString('base64url') } });

describe('a message', () => {
  it('that is sent at two homes at the same moment is shown once at every server', async () => {
    const alice = await Person.named('alice', a);
    const bob = await net.client(c).register('bob');
    const roomId = await createRoom(alice.at(a));
    await join(bob, roomId, a);
    const atB = await alice.addHome(b);
    await isIn(atB, roomId);
    await say(bob, roomId, 'ready');
    for (const client of [alice.at(a), atB, bob]) await reads(client, roomId, 'ready');
    const clients = [alice.at(a), atB, bob];
    const listeners = await Promise.all(clients.map(async (client) =>
      new Listener(client, roomId, (await client.request('GET', '/v3/sync')).next_batch)));
    try {
      const said = Array.from({ length: 10 }, (_, i) => `twin ${i}`);
      for (const text of said) {
        const ids = await Promise.all([alice.at(a), atB].map((client) => say(client, roomId, text, txn(text))));
        expect(ids.every((id) => id.startsWith('$'))).toBe(true);
      }
      // What comes after them shows that both copies of all have come.
      await say(alice.at(a), roomId, 'end of a');
      await say(atB, roomId, 'end of b');
      for (const listener of listeners) {
        await listener.hears('end of a', 'end of b', ...said);
        expect(listener.heard.toSorted()).toEqual([...said, 'end of a', 'end of b'].toSorted());
      }
      for (const client of clients) expect((await texts(client, roomId)).filter((text) => text.startsWith('twin'))).toHaveLength(said.length);
    } finally {
      await Promise.all(listeners.map((listener) => listener.stop()));
    }
  });
});

describe('a home that is added while everybody talks', () => {
  it('hears everything once, and so does everybody else', async () => {
    const carol = await Person.named('carol', a);
    const dan = await net.client(c).register('dan');
    const roomId = await createRoom(carol.at(a));
    await join(dan, roomId, a);
    await reads(dan, roomId);
    const clients: TestClient[] = [carol.at(a), dan];
    const listeners = clients.map((client) => new Listener(client, roomId));
    const said: string[] = [];
    let isOver = false;
    const talk = async (who: string, client: () => TestClient, atLeast: number): Promise<void> => {
      for (let i = 0; i < atLeast || (!isOver && i < 25); i++) {
        said.push(`${who} ${i}`);
        await say(client(), roomId, `${who} ${i}`);
      }
    };
    const names = async (): Promise<void> => {
      for (let i = 0; i < 5; i++) await carol.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: `topic ${i}` });
    };
    try {
      const talking = [talk('carol at a', () => clients[0]!, 10), talk('dan', () => dan, 10), names()];
      const atB = await carol.addHome(b, { through: a });
      await isIn(atB, roomId);
      listeners.push(new Listener(atB, roomId));
      talking.push(talk('carol at b', () => atB, 5));
      await settles(async () => {
        const { homes } = await atB.request('GET', `${homesPath}/account/homes`);
        const { rooms } = homes.find((home: Json) => home.server_name === b.name);
        expect(rooms).toMatchObject({ complete: true, ready: rooms.total });
      });
      isOver = true;
      await Promise.all(talking);
      for (const [i, listener] of listeners.entries()) {
        if (i < 2) await listener.hears(...said);
        expect(listener.heard).toHaveLength(new Set(listener.heard).size);
      }
      // A listener at B may start behind the first messages; the room has them.
      for (const client of [...clients, atB]) {
        await reads(client, roomId, ...said);
        expect((await texts(client, roomId)).toSorted()).toEqual(said.toSorted());
      }
      for (const client of [...clients, atB]) await settles(async () => expect((await state(client, roomId, 'm.room.topic')).topic).toBe('topic 4'));
    } finally {
      isOver = true;
      await Promise.all(listeners.map((listener) => listener.stop()));
    }
  });
});
