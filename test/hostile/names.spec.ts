import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { Destinations } from '../../apps/homeserver/src/federation/outgoing/destinations.js';
import {
  acceptedInput, admittedInput, endorsementInput, genesisHash, signingKeyFromSeed, signJson, withAdmitted, type HomeRecord,
} from '../../libs/federation/src/index.js';
import { createRoom, join, reads, say } from '../homes/talk.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
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
    const forged = bad.member(carol.userId, 'join', { sender: carol.userId, home, content }, signer);
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

  it('does not enter a room of a standard version, whatever record it shows there', async () => {
    const carol = await victim();
    const { roomId, bad } = await world.sharedRoom('12');
    const { content, home } = new Impostor(carol.userId, world.hostile).inRooms;
    const forged = bad.member(carol.userId, 'join', { sender: carol.userId, home, content });
    await world.hostile.send(a, [wire(forged)]);
    expect(await members(world.alice, roomId)).not.toContain(carol.userId);
    const uri = `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(carol.userId)}?ver=12`;
    expect((await world.hostile.raw(a, 'GET', uri)).status).toBe(403);
    const path = `/_matrix/federation/v2/send_join/${encodeURIComponent(roomId)}/${encodeURIComponent(forged.eventId)}`;
    expect((await world.hostile.raw(a, 'PUT', path, wire(forged))).status).toBe(403);
    // A record that somebody shows there in his own name says nothing of another's.
    const own = bad.member(world.hostile.user('mallory'), 'join', { content });
    await world.hostile.send(a, [wire(own)]);
    expect(await a.get(AccountServers).of(carol.userId)).toEqual([b.name]);
    await join(carol, roomId, a);
    await eventually(async () => (await members(world.alice, roomId)).includes(carol.userId));
  });

  it('does not get in by an alias, of its own or of the room', async () => {
    const carol = await victim();
    const roomId = await createRoom(world.alice, { room_alias_name: `names${names}` });
    const impostor = new Impostor(carol.userId, world.hostile);
    const alias = `#names${names}:${a.name}`;
    const found = await world.hostile.request(a, 'GET', `/_matrix/federation/v1/query/directory?room_alias=${encodeURIComponent(alias)}`);
    expect(await enter(found.room_id, impostor)).toBeInstanceOf(Error);
    // An alias of a hostile server that leads to it, and to a copy of the room in which the name is taken: joining there asks the room itself.
    world.hostile.on(/query\/directory/, () => ({ room_id: roomId, servers: [world.hostile.name] }));
    const elsewhere = `#door:${world.hostile.name}`;
    expect((await carol.raw('POST', `/v3/join/${encodeURIComponent(elsewhere)}`, {})).status).not.toBe(200);
    await carol.request('POST', `/v3/join/${encodeURIComponent(alias)}`, {});
    expect(await members(world.alice, roomId)).toContain(carol.userId);
    expect(await a.get(AccountServers).of(carol.userId)).toEqual([b.name]);
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

describe('two servers that help each other', () => {
  /** One of them is in the room by the rules: it lets the impostor in, vouches for him, and builds on his join. */
  const smuggled = async (userId: string): Promise<{ roomId: string; impostor: Impostor }> => {
    const { roomId, bad } = await world.sharedRoom('io.partyline.1', { userId: mallory.userId, joins: mallory.inRooms });
    const accomplice = await HostileServer.start();
    servers.push(accomplice);
    const impostor = new Impostor(userId, accomplice, (of) => ({ endorsement: { [madeUp.keyId]: madeUp.sign(endorsementInput(of)) } }));
    const { content, signer, home } = impostor.inRooms;
    const joined = bad.member(userId, 'join', { sender: userId, home, content }, signer);
    const domain = userId.slice(userId.indexOf(':') + 1);
    const keys = signJson({ server_name: domain, verify_keys: { [madeUp.keyId]: { key: madeUp.publicKey } }, old_verify_keys: {}, valid_until_ts: Date.now() + 1e6 }, domain, madeUp);
    const about = { server_name: world.hostile.name, ts: Date.now(), keys };
    const { key } = world.hostile;
    const signature = key.sign(admittedInput(joined, genesisHash(impostor.genesis), about));
    const attested = withAdmitted(joined, { ...about, signatures: { [world.hostile.name]: { [key.keyId]: signature } } }, bad.rules);
    bad.follow(joined);
    const built = bad.message('look who is here');
    const state = [...bad.state].filter(([name]) => !name.includes(userId)).map(([, id]) => id);
    world.hostile.on(/get_missing_events/, () => ({ events: [wire(attested)] }));
    world.hostile.on(new RegExp(`/event/`), () => ({ pdus: [wire(attested)] }));
    world.hostile.on(/state_ids/, () => ({ pdu_ids: [...state, joined.eventId], auth_chain_ids: state }));
    await world.hostile.send(a, [wire(attested), wire(built)]);
    await eventually(() => world.isShown(roomId, built));
    return { roomId, impostor };
  };
  const madeUp = signingKeyFromSeed('ed25519:made_up', Buffer.alloc(32, 7));
  const servers: HostileServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  it('bring a name into a room, where it is shown as what it is, leads nowhere, and can be given back', async () => {
    const carol = await victim();
    // The domain was away a moment ago.
    await eventually(() => a.get(Destinations).retryAt(b.name) <= Date.now());
    const { roomId, impostor } = await smuggled(carol.userId);
    const [accomplice] = servers.slice(-1);
    const shown: Json = await world.alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(roomId)}/names`);
    expect(await members(world.alice, roomId)).toContain(carol.userId);
    expect(shown.names).toEqual({ [carol.userId]: { genesis_sha256: genesisHash(impostor.genesis), proof: 'refused' } });
    await world.alice.request('POST', '/v3/keys/query', { device_keys: { [carol.userId]: [] } });
    await world.alice.request('PUT', `/v3/sendToDevice/org.example.key/${roomId}`, { messages: { [carol.userId]: { '*': { key: 'for carol' } } } });
    await eventually(async () => JSON.stringify((await carol.request('GET', '/v3/sync')).to_device).includes('for carol'));
    expect(JSON.stringify(accomplice!.requests)).not.toMatch(/keys\/query|user\/devices|for carol/);
    await world.alice.request('POST', `${path(roomId)}/kick`, { user_id: carol.userId, 'io.partyline.release': true });
    await join(carol, roomId, a);
    await eventually(async () => (await members(world.alice, roomId)).includes(carol.userId));
    expect((await world.alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(roomId)}/names`)).names).toEqual({});
  });
});

it('a name is what its spelling says, to the letter', async () => {
  const carol = await victim();
  const [local, domain] = carol.userId.split(/:(.*)/) as [string, string];
  for (const userId of [`${local}:${domain.toUpperCase()}`, `${local.toUpperCase()}:${domain}`, `${local}:${domain}.`]) {
    const record = { ...new Impostor(carol.userId, world.hostile).record, user_id: userId };
    const answer = await world.hostile.raw(a, 'POST', RECORD, record);
    expect([userId, [400, 403].includes(answer.status)]).toEqual([userId, true]);
  }
  // A domain in other letters is another domain, which does not answer to that name.
  const other = new Impostor(`${local}:${domain.toUpperCase()}`, world.hostile);
  expect((await world.hostile.raw(a, 'POST', RECORD, other.record)).status).toBeGreaterThanOrEqual(403);
  expect((await world.hostile.raw(a, 'GET', `${RECORD}/${encodeURIComponent(other.userId)}`)).status).toBe(404);
});

it('a domain that stands for two geneses of a name is found out, and the first stays', async () => {
  const domain = await HostileServer.start();
  try {
    const endorse = (of: HomeRecord['genesis']) => ({ endorsement: { [domain.key.keyId]: domain.key.sign(endorsementInput(of)) } });
    const [first, second] = [new Impostor(domain.user('twice'), domain, endorse), new Impostor(domain.user('twice'), world.hostile, endorse)];
    await domain.request(a, 'POST', RECORD, first.record);
    await domain.expectError(403, 'M_FORBIDDEN', a, 'POST', RECORD, second.record);
    expect(await world.hostile.request(a, 'GET', `${RECORD}/${encodeURIComponent(first.userId)}`)).toEqual(first.record);
    const roomId = await createRoom(world.alice);
    expect(await enter(roomId, second)).toBeInstanceOf(Error);
    await HostileRoom.join(domain, a, roomId, first.userId, first.inRooms);
    const names = await world.alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(roomId)}/names`);
    expect(names).toEqual({ names: {}, disputed: [first.userId], left_out: 0 });
  } finally {
    await domain.stop();
  }
});

it('the consent of a server by a key that it has retired aims nothing at it', async () => {
  const target = await HostileServer.start();
  try {
    const stolen = target.key;
    target.rotate();
    const alice = await Person.named('aiming', a);
    const { publicKey: key, keyId } = signingKeyFromSeed('ed25519:h_x', Buffer.alloc(32, 9));
    const accepted = { [stolen.keyId]: stolen.sign(acceptedInput(alice.userId, key, target.name)) };
    await alice.publish(alice.next({ add: [{ server_name: target.name, key_id: keyId, key, priority: 5, accepted }] }), a);
    const roomId = await createRoom(alice.at(a));
    await join(world.bob, roomId, a);
    for (let i = 0; i < 3; i++) await say(alice.at(a), roomId, `secret ${i}`);
    await reads(world.bob, roomId, 'secret 2');
    const asked = () => target.requests.filter(({ path: at }) => !at.startsWith('/_matrix/key/'));
    await eventually(() => asked().length > 0);
    expect(asked().every(({ path: at }) => at.includes('/consent/'))).toBe(true);
  } finally {
    await target.stop();
  }
});
