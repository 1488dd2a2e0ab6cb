import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, settles } from './talk.js';

// A replica that is silent, or has another state, is named until it is found equal (protocol §3, "Moving in").
let net: Network;
let a: TestServer; let b: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  evil = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  evil?.hangUp();
  await evil?.stop();
  await net?.stop();
});

it('names replicas that are apart, over a restart, until they are equal', async () => {
  const alice = await Person.named('alice', a);
  const roomId = await createRoom(alice.at(a));
  const mallory = new HostilePerson('mallory', evil);
  await HostileRoom.join(evil, a, roomId, mallory.userId, mallory.inRooms);
  let answer: (path: string) => Promise<Json> | Json = () => ({});
  evil.on(/v1\/state_ids\//, (path) => answer(path));
  await isIn(await alice.addHome(b), roomId);
  const unequal = async (): Promise<Json> => {
    const { homes } = await alice.at(b).request('GET', `${homesPath}/account/homes`);
    return homes.find((home: Json) => home.server_name === b.name).rooms.unequal;
  };
  await settles(async () => expect(await unequal()).toEqual([{ room_id: roomId, unconfirmed: [evil.name], apart: [] }]));
  answer = () => ({ pdu_ids: [], auth_chain_ids: [] });
  await settles(async () => expect(await unequal()).toEqual([{ room_id: roomId, unconfirmed: [], apart: [evil.name] }]));
  await b.stop();
  await b.start();
  expect(await unequal()).toEqual([{ room_id: roomId, unconfirmed: [], apart: [evil.name] }]);
  answer = (path) => evil.request(a, 'GET', path);
  await settles(async () => expect(await unequal()).toEqual([]));
}, 90_000);
