import { genesisHash } from '#federation';
import { EventSender } from '../../apps/homeserver/src/rooms/pipeline/event-sender.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, roomPath, settles, state } from './talk.js';

// Portable rooms, protocol §3 rule 6: power, invitations and names mean persons. Clients know nothing of it.

let network: LinkedNetwork;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b']);
  [a, b] = network.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => network?.stop());

const setLevels = (client: TestClient, roomId: string, content: Json): Promise<{ status: number; body: Json }> =>
  client.raw('PUT', `${roomPath(roomId)}/state/m.room.power_levels/`, content);

it('the home says whom levels and creators mean, and asks for who is not in the room yet', async () => {
  const alice = await Person.named('alice', a);
  const bob = await Person.named('bob', b);
  const hash = genesisHash(bob.record.genesis);
  const roomId = await createRoom(alice.at(a), { power_level_content_override: { users: { [bob.userId]: 50 } } });
  const levels = await state(alice.at(a), roomId, 'm.room.power_levels');
  expect(levels['io.partyline.genesis']).toEqual({ [bob.userId]: hash });
  await join(bob.at(b), roomId, a);
  await bob.at(b).request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: 'by bob' });
  // A client that sends back what it knows of, without the servers' member, changes nothing for bob; and bob himself may be made equal.
  const { 'io.partyline.genesis': _geneses, ...known } = levels;
  expect((await setLevels(alice.at(a), roomId, { ...known, ban: 40 })).status).toBe(200);
  expect((await state(alice.at(a), roomId, 'm.room.power_levels'))['io.partyline.genesis']).toEqual({ [bob.userId]: hash });
  const refused = await setLevels(alice.at(a), roomId, { ...known, users: { ...known.users, [`@nobody:${b.name}`]: 60 } });
  expect([refused.status, refused.body.errcode]).toEqual([400, 'M_INVALID_PARAM']);
  const trusted = await createRoom(alice.at(a), { preset: 'trusted_private_chat', invite: [bob.userId] });
  expect((await state(alice.at(a), trusted, 'm.room.create'))['io.partyline.genesis']).toEqual({ [bob.userId]: hash });
}, 60_000);

it('an invitation names the person, and a released name takes another one', async () => {
  const carol = await Person.named('carol', a);
  const dave = await Person.named('dave', b);
  const roomId = await createRoom(carol.at(a), { preset: 'private_chat' });
  await carol.at(a).request('POST', `${roomPath(roomId)}/invite`, { user_id: dave.userId });
  const member = (): Promise<Json> => state(carol.at(a), roomId, 'm.room.member', dave.userId);
  expect(await member()).toMatchObject({ membership: 'invite', genesis_sha256: genesisHash(dave.record.genesis) });
  await join(dave.at(b), roomId, a);
  await isIn(dave.at(b), roomId);
  const set = (content: Json): Promise<Json> => carol.at(a).request('PUT', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(dave.userId)}`, content);
  await set({ membership: 'leave', 'io.partyline.release': true });
  expect(await member()).toMatchObject({ membership: 'leave', 'io.partyline.release': true, home_record: { user_id: dave.userId } });
  // The genesis is barred, whoever invites it, and comes back with the record that was kept.
  await carol.at(a).request('POST', `${roomPath(roomId)}/invite`, { user_id: dave.userId });
  expect(await member()).toMatchObject({ membership: 'invite', 'io.partyline.release': true });
  expect((await dave.at(b).raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } })).status).toBe(403);
  await set({ membership: 'leave', 'io.partyline.release': false });
  expect(await member()).not.toHaveProperty(['io.partyline.release']);
  await carol.at(a).request('POST', `${roomPath(roomId)}/invite`, { user_id: dave.userId });
  await settles(async () => expect((await dave.at(b).raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } })).status).toBe(200));
}, 60_000);

it('levels from before they named persons count again when a home of the creator has started', async () => {
  const erin = await Person.named('erin', a);
  const frank = await Person.named('frank', b);
  const roomId = await createRoom(erin.at(a), { power_level_content_override: { users: { [frank.userId]: 50 } } });
  await join(frank.at(b), roomId, a);
  const { 'io.partyline.genesis': named, ...old } = await state(erin.at(a), roomId, 'm.room.power_levels');
  // As a server of then sent them.
  await a.get(EventSender).send({ roomId, sender: erin.userId, type: 'm.room.power_levels', stateKey: '', content: old });
  const setTopic = async (topic: string): Promise<number> => (await frank.at(b).raw('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic })).status;
  await settles(async () => expect(await state(frank.at(b), roomId, 'm.room.power_levels')).toEqual(old));
  expect(await setTopic('counts for nobody')).toBe(403);
  await a.restart();
  await settles(async () => expect(await state(frank.at(b), roomId, 'm.room.power_levels')).toEqual({ ...old, 'io.partyline.genesis': named }));
  expect(await setTopic('counts')).toBe(200);
}, 60_000);
