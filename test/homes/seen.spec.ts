import { HostileServer } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, say, settles, texts } from './talk.js';

// Replicas are asked for what the client of an emergency home has seen (protocol §3, "Moving in").
let net: Network;
let a: TestServer; let b: TestServer;
let replica: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  replica = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  replica?.hangUp();
  await replica?.stop();
  await net?.stop();
});

it('asks for what the client has seen, the newest twenty, after a restart too, and until the room is here', async () => {
  const alice = await Person.named('alice', a);
  const roomId = await createRoom(alice.at(a));
  const last = await say(alice.at(a), roomId, 'last');
  const seen = [...Array.from({ length: 30 }, (_, i) => `$older${i}`), last];
  replica.on(/io\.partyline\/attach/, () => ({}));
  const asked = (): Json[] => replica.requests.flatMap(({ body }) => (body?.ends_only ? [body.seen] : []));
  const entry = await alice.offer(b);
  await a.stop();
  await alice.publish(alice.next({ add: [entry] }), b, { rooms: { [roomId]: [replica.name, a.name] }, seen: { [roomId]: seen }, ...(await alice.proof(b)) });
  await settles(() => expect(asked()).toContainEqual(seen.slice(-20)));
  await b.stop();
  replica.requests.length = 0;
  await b.start();
  await settles(() => expect(asked()).toContainEqual(seen.slice(-20)));
  await a.start();
  const client = await alice.login(b);
  await isIn(client, roomId);
  await settles(async () => expect(await texts(client, roomId)).toContain('last'));
}, 90_000);
