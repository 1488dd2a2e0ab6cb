import { endorsementInput } from '../../libs/federation/src/index.js';
import { createRoom, join } from '../homes/talk.js';
import { eventually } from '../network/eventually.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { Impostor } from './impostor.js';

// Names of accounts at B, taken by servers that were never given them (protocol §2, "Proof, the door, outside rooms").
const RECORD = '/_matrix/federation/unstable/io.partyline/record';
let world: HostileWorld;
let mallory: HostilePerson;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  world = await HostileWorld.start();
  ({ a, b } = world);
  mallory = new HostilePerson('mallory', world.hostile);
}, 60_000);
afterAll(() => world?.stop());

const enter = (roomId: string, impostor: Impostor, through: TestServer = a): Promise<HostileRoom | Error> =>
  HostileRoom.join(impostor.home, through, roomId, impostor.userId, impostor.inRooms).catch((error: Error) => error);
const members = async (client: TestClient, roomId: string): Promise<string[]> => Object.keys((await client.request('GET', `${path(roomId)}/joined_members`)).joined);
let names = 0;
const victim = (): Promise<TestClient> => world.net.client(b).register(`victim${++names}`);

describe('a server with a genesis of its own for a name of another domain', () => {
  it('does not enter a public room under that name, and the person does', async () => {
    const carol = await victim();
    const roomId = await createRoom(world.alice);
    const joined = await enter(roomId, new Impostor(carol.userId, world.hostile));
    expect(String(joined)).toContain('403');
    await join(carol, roomId, a);
    expect(await members(world.alice, roomId)).toContain(carol.userId);
  });

  it('does not enter by /send either', async () => {
    const carol = await victim();
    const { roomId, bad } = await world.sharedRoom('io.partyline.1', { userId: mallory.userId, joins: mallory.inRooms });
    const { content, signer, home } = new Impostor(carol.userId, world.hostile).inRooms;
    const forged = bad.member(carol.userId, 'join', { sender: carol.userId, home, content, auth_events: bad.authOf('m.room.create', 'm.room.join_rules', 'm.room.power_levels') }, signer);
    await world.hostile.send(a, [wire(forged)]);
    expect(await world.isShown(roomId, forged)).toBe(false);
    await join(carol, roomId, b);
    await eventually(async () => (await members(world.alice, roomId)).includes(carol.userId));
  });

  it('does not get in by the invitation of the person, who does', async () => {
    const dora = await victim();
    const roomId = await createRoom(world.alice, { preset: 'private_chat' });
    await world.alice.request('POST', `${path(roomId)}/invite`, { user_id: dora.userId });
    expect(await enter(roomId, new Impostor(dora.userId, world.hostile))).toBeInstanceOf(Error);
    await dora.request('POST', `${path(roomId)}/join`, {});
  });

  it('is not asked for keys, gets no messages to devices, and is not believed any', async () => {
    const erin = await victim();
    const impostor = new Impostor(erin.userId, world.hostile);
    await enter(await createRoom(world.alice), impostor);
    await world.hostile.raw(a, 'POST', RECORD, impostor.record);
    await world.alice.request('POST', '/v3/keys/query', { device_keys: { [erin.userId]: [] } });
    await world.alice.request('PUT', '/v3/sendToDevice/org.example.key/names', { messages: { [erin.userId]: { '*': { key: 'for erin only' } } } });
    await eventually(async () => JSON.stringify((await erin.request('GET', '/v3/sync')).to_device).includes('for erin only'));
    const forged = { sender: erin.userId, type: 'org.example.evil', message_id: 'm1', messages: { [world.alice.userId]: { '*': { evil: true } } } };
    await world.hostile.send(a, [], [{ edu_type: 'm.direct_to_device', content: forged }]);
    const heard = JSON.stringify(world.hostile.requests);
    expect(heard).not.toMatch(/keys\/query|user\/devices|for erin only/);
    expect(JSON.stringify((await world.alice.request('GET', '/v3/sync')).to_device ?? {})).not.toContain('org.example.evil');
  });
});

describe('while the domain is away', () => {
  it('its names are not given to others, and not lost', async () => {
    const frank = await victim();
    const roomId = await createRoom(world.alice);
    const impostor = new Impostor(frank.userId, world.hostile);
    await b.stop();
    try {
      // Of the moment: who comes with a good name comes again.
      expect(String(await enter(roomId, impostor))).toContain('502');
      await world.hostile.expectError(502, 'M_UNKNOWN', a, 'POST', RECORD, impostor.record);
      await world.hostile.expectError(404, 'M_NOT_FOUND', a, 'GET', `${RECORD}/${encodeURIComponent(frank.userId)}`);
      const attach = { user_id: frank.userId, record: impostor.record };
      expect((await world.net.client(a).raw('POST', '/unstable/io.partyline/account/attach', attach)).status).toBe(502);
    } finally {
      await b.start();
    }
    await eventually(async () => (await frank.raw('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: a.name } })).status === 200);
  });
});

describe('an endorsement', () => {
  it('by a key that its domain has retired proves nothing by itself, however old the genesis says to be', async () => {
    // Another hostile server plays the domain; the first one has got hold of its old key.
    const domain = await HostileServer.start();
    try {
      const stolen = domain.key;
      domain.rotate();
      const impostorOf = (label: string) => new Impostor(domain.user(label), world.hostile, (of) => ({ endorsement: { [stolen.keyId]: stolen.sign(endorsementInput(of)) } }));
      await world.hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', RECORD, impostorOf('gail').record);
      // Unless the domain itself says so: the key was changed after the account was founded.
      const honest = impostorOf('hank');
      domain.on(/record.*hank/, () => honest.record);
      expect(await world.hostile.request(a, 'POST', RECORD, honest.record)).toEqual(honest.record);
    } finally {
      await domain.stop();
    }
  });
});
