import { createHash } from 'node:crypto';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { signJson, signingKeyFromSeed } from '../../libs/federation/src/index.js';
import { HostileServer, Verbatim } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import { roomPath as room } from '../network/room-pages.js';
import { settles, stateOf as state } from '../network/room-requests.js';
import { TestClient, type Json } from '../network/test-client.js';

const PEPPER = 'pepper';
let net: Network;
/** An identity server: what it is asked, and what it has bound. */
let identity: HostileServer;
let bound: Record<string, string>;
let validity: Json;
let stored: Json[];
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

const hash = (address: string, medium = 'email'): string => createHash('sha256').update(`${address} ${medium} ${PEPPER}`).digest('base64url');

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  // Known before their server is away.
  for (const label of ['b', 'c']) await net.server(label).get(KeyRing).listed(net.server('a').name);
  identity = await HostileServer.start();
  identity.on(/v2\/hash_details$/, () => ({ lookup_pepper: PEPPER, algorithms: ['none', 'sha256'] }));
  identity.on(/v2\/lookup$/, (_path, { addresses }) => ({ mappings: Object.fromEntries(addresses.filter((one: string) => bound[one]).map((one: string) => [one, bound[one]])) }));
  identity.on(/v2\/store-invite$/, (_path, body) => {
    stored.push(body);
    const key = { public_key: identity.key.publicKey, key_validity_url: `https://${identity.name}/_matrix/identity/v2/pubkey/ephemeral/isvalid` };
    return { token: `token${stored.length}.${version}.${test}`, display_name: 'b...@e...', public_keys: [key] };
  });
  identity.on(/isvalid/, () => validity);
  alice = await net.client('a').register('alice');
  bob = await net.client('b').register('bob');
  carol = await net.client('c').register('carol');
}, 60_000);
afterAll(async () => {
  await net?.stop();
  await identity?.stop();
});
let test = 0;
let version = '';
beforeEach(() => {
  test++;
  [bound, stored, validity] = [{}, [], { valid: true }];
  identity.requests.length = 0;
});

const create = async (body: Json = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', { room_version: version, preset: 'private_chat', name: 'Books', ...body })).room_id;
const address = (): Json => ({ id_server: identity.name, id_access_token: 'letmein', medium: 'email', address: 'bob@example.com' });
const invite = (client: TestClient, roomId: string, body: Json = address()): Promise<Json> => client.request('POST', `${room(roomId)}/invite`, body);
/** The invitation that the room has for the address. */
const pending = async (roomId: string, client = alice): Promise<Json> =>
  (await client.request('GET', `${room(roomId)}/state`)).find((event: Json) => event.type === 'm.room.third_party_invite');
/** What the identity server signs for whoever has shown that the address is his. */
const proof = (mxid: string, { state_key: token }: Json, key = identity.key): Json => signJson({ mxid, token, sender: alice.userId }, identity.name, key);
const bind = (client: TestClient, roomId: string, signed: Json): Promise<Json> => new TestClient(client.server).request('PUT', '/_matrix/federation/v1/3pid/onbind', {
  medium: 'email', address: 'bob@example.com', mxid: client.userId,
  invites: [{ medium: 'email', address: 'bob@example.com', mxid: client.userId, room_id: roomId, sender: alice.userId, signed }],
}, { anonymous: true });
const membershipOf = async (roomId: string, userId: string, client = alice): Promise<string> => (await state(client, roomId, 'm.room.member', userId)).membership;
const invitedTo = async (client: TestClient): Promise<string[]> => Object.keys((await client.request('GET', '/v3/sync')).rooms?.invite ?? {});

describe.each(['10', '12', 'io.partyline.1'])('in a room of version %s', (roomVersion) => {
  beforeAll(() => void (version = roomVersion));

  it('an address that is bound to an account invites that account', async () => {
    bound[hash('bob@example.com')] = bob.userId;
    const roomId = await create();
    await invite(alice, roomId, { ...address(), address: 'Bob@Example.com' });
    expect(await membershipOf(roomId, bob.userId)).toBe('invite');
    expect(await pending(roomId)).toBeUndefined();
    expect(stored).toEqual([]);
  });

  it('one that is not invites whoever shows that it is his, once the identity server has bound it', async () => {
    const roomId = await create();
    await alice.request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
    await invite(alice, roomId);
    expect(stored).toEqual([{
      medium: 'email', address: 'bob@example.com', room_id: roomId, sender: alice.userId, sender_display_name: 'Alice', room_join_rules: 'invite', room_name: 'Books',
    }]);
    const waiting = await pending(roomId);
    const validityUrl = `https://${identity.name}/_matrix/identity/v2/pubkey/ephemeral/isvalid`;
    expect(waiting.content).toEqual({
      display_name: 'b...@e...', public_key: identity.key.publicKey, key_validity_url: validityUrl,
      public_keys: [{ public_key: identity.key.publicKey, key_validity_url: validityUrl }],
    });
    await bind(bob, roomId, proof(bob.userId, waiting));
    await settles(async () => expect(await invitedTo(bob)).toContain(roomId));
    expect((await state(alice, roomId, 'm.room.member', bob.userId)).third_party_invite).toEqual({ display_name: 'b...@e...', signed: proof(bob.userId, waiting) });
    await bob.request('POST', `${room(roomId)}/join`, {});
    expect(await membershipOf(roomId, bob.userId)).toBe('join');
    // Once more turns no member into somebody invited.
    await bind(bob, roomId, proof(bob.userId, waiting));
    expect(await membershipOf(roomId, bob.userId)).toBe('join');
  });

  it('who brings the proof himself joins with it, here and from elsewhere', async () => {
    const roomId = await create();
    await invite(alice, roomId);
    const waiting = await pending(roomId);
    const dave = await net.client('a').register(`dave${test}`);
    for (const client of [bob, dave]) {
      const signed = proof(client.userId, waiting);
      await client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, { third_party_signed: signed }, { query: { via: net.server('a').name } });
      expect(await membershipOf(roomId, client.userId)).toBe('join');
    }
  });

  it('who has no proof is let in by nobody', async () => {
    const roomId = await create();
    await invite(alice, roomId);
    const waiting = await pending(roomId);
    const dave = await net.client('a').register(`dave${test}`);
    const other = signingKeyFromSeed('ed25519:0', new Uint8Array(32).fill(3));
    for (const client of [bob, dave]) {
      const join = (signed: Json) => client.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, { third_party_signed: signed }, { query: { via: net.server('a').name } });
      await join(proof(client.userId, waiting, other));
      await join(proof(client.userId, { state_key: 'another' }));
      await join({ ...proof(client.userId, waiting), sender: client.userId });
      await join(proof(carol.userId, waiting));
      validity = { valid: false };
      await join(proof(client.userId, waiting));
      validity = new Verbatim(404, {}, '{"errcode":"M_NOT_FOUND","error":"unknown key"}');
      await join(proof(client.userId, waiting));
      validity = { valid: true };
    }
    for (const client of [bob, dave]) {
      for (const odd of [1.5, 2 ** 60, '\ud800']) {
        const signed = { ...proof(client.userId, waiting), odd };
        await client.expectError(400, 'M_BAD_JSON', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, { third_party_signed: signed }, { query: { via: net.server('a').name } });
      }
    }
    await alice.request('POST', `${room(roomId)}/ban`, { user_id: bob.userId });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `/v3/join/${encodeURIComponent(roomId)}`, { third_party_signed: proof(bob.userId, waiting) }, { query: { via: net.server('a').name } });
  });

  it('another server of the room takes the proof while the inviter is away', async () => {
    const roomId = await create();
    await invite(alice, roomId, { user_id: carol.userId });
    await carol.request('POST', `${room(roomId)}/join`, {});
    await invite(alice, roomId);
    await settles(async () => expect(await pending(roomId, carol)).toBeDefined());
    const signed = proof(bob.userId, await pending(roomId, carol));
    const erin = await net.client('c').register(`erin${test}`);
    const erins = proof(erin.userId, await pending(roomId, carol));
    await net.server('a').stop();
    try {
      await bind(erin, roomId, erins);
      await settles(async () => expect(await invitedTo(erin)).toContain(roomId));
      await erin.request('POST', `${room(roomId)}/join`, {});
      await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, { third_party_signed: signed }, { query: { via: net.server('c').name } });
      expect(await membershipOf(roomId, bob.userId, carol)).toBe('join');
    } finally {
      await net.server('a').start();
    }
    for (const client of [bob, erin]) await settles(async () => expect(await membershipOf(roomId, client.userId)).toBe('join'));
  });

  it('a new room invites addresses, too', async () => {
    bound[hash('carol@example.com')] = carol.userId;
    const roomId = await create({ invite_3pid: [address(), { ...address(), address: 'carol@example.com' }], is_direct: true });
    expect(await pending(roomId)).toBeDefined();
    expect(await state(alice, roomId, 'm.room.member', carol.userId)).toMatchObject({ membership: 'invite', is_direct: true });
  });
});

describe('inviting an address', () => {
  beforeAll(() => void (version = '11'));

  it('asks and writes to nobody for who may not invite', async () => {
    const roomId = await create({ preset: 'public_chat' });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${room(roomId)}/invite`, address());
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `${room(roomId)}/invite`, address());
    expect(identity.requests).toEqual([]);
  });

  it('wants what it takes', async () => {
    const roomId = await create();
    const refused = (status: number, errcode: string, body: Json) => alice.expectError(status, errcode, 'POST', `${room(roomId)}/invite`, body);
    for (const server of ['not a server', 'localhost:99999', 'localhost/path', 'me@localhost', '']) await refused(400, 'M_INVALID_PARAM', { ...address(), id_server: server });
    for (const body of [{}, { ...address(), id_access_token: undefined }, { reason: 'x' }]) await refused(400, 'M_MISSING_PARAM', body);
    for (const body of [{ ...address(), address: '' }, { ...address(), medium: 'pigeon' }, { ...address(), id_server: 7 }]) await refused(400, 'M_BAD_JSON', body);
    await refused(502, 'M_UNKNOWN', { ...address(), id_server: 'localhost:1' });
  });

  it('takes no nonsense of an identity server, and says what that says', async () => {
    const roomId = await create();
    const good = { token: 'fine', display_name: 'b', public_keys: [{ public_key: identity.key.publicKey, key_validity_url: 'https://x.test/valid' }] };
    const answers: Json[] = [
      [], 'nonsense', {}, { ...good, token: 'not/fine' }, { ...good, token: 'x'.repeat(256) }, { ...good, public_keys: [] }, { ...good, public_keys: [1] }, { ...good, display_name: 7 },
      new Verbatim(200, {}, 'x'.repeat(70_000)), new Verbatim(401, {}, '{"errcode":"M_UNAUTHORIZED","error":"who are you?"}'), new Verbatim(500, {}, '{}'),
    ];
    let answer: Json;
    const server = await HostileServer.start();
    try {
      server.on(/hash_details/, () => ({ lookup_pepper: PEPPER, algorithms: ['sha256'] }));
      server.on(/lookup/, () => ({ mappings: {} }));
      server.on(/store-invite/, () => answer);
      for (answer of answers) await alice.expectError(502, 'M_UNKNOWN', 'POST', `${room(roomId)}/invite`, { ...address(), id_server: server.name });
      answer = new Verbatim(403, {}, '{"errcode":"M_TERMS_NOT_SIGNED","error":"terms"}');
      await alice.expectError(403, 'M_TERMS_NOT_SIGNED', 'POST', `${room(roomId)}/invite`, { ...address(), id_server: server.name });
      answer = new Verbatim(400, {}, JSON.stringify({ errcode: 'M_THREEPID_IN_USE', error: 'known by now', mxid: bob.userId }));
      await alice.request('POST', `${room(roomId)}/invite`, { ...address(), id_server: server.name });
      expect(await membershipOf(roomId, bob.userId)).toBe('invite');
      server.on(/hash_details/, () => ({ lookup_pepper: PEPPER, algorithms: ['none'] }));
      await alice.expectError(502, 'M_UNKNOWN', 'POST', `${room(roomId)}/invite`, { ...address(), id_server: server.name });
      expect(await pending(roomId)).toBeUndefined();
    } finally {
      await server.stop();
    }
  });

  it('is exchanged for those who can show something only', async () => {
    const roomId = await create();
    await invite(alice, roomId);
    const signed = proof(identity.user('eve'), await pending(roomId));
    const event = (changes: Json = {}, content: Json = {}): Json => ({
      type: 'm.room.member', room_id: roomId, sender: alice.userId, state_key: identity.user('eve'), content: { membership: 'invite', third_party_invite: { signed }, ...content }, ...changes,
    });
    const uri = `/_matrix/federation/v1/exchange_third_party_invite/${encodeURIComponent(roomId)}`;
    const a = net.server('a');
    for (const [body, status] of [
      [event({ type: 'm.room.name' }), 400], [event({ room_id: '!other:x' }), 400], [event({}, { membership: 'join' }), 400], [event({}, { third_party_invite: {} }), 400],
      [event({ sender: bob.userId }), 403], [event({ state_key: bob.userId }), 403], [event({}, { third_party_invite: { signed: { ...signed, token: 'x' } } }), 403],
      [event({}, { third_party_invite: { signed: { ...signed, signatures: {} } } }), 403],
    ] as const) expect([body, (await identity.raw(a, 'PUT', uri, body)).status]).toEqual([body, status]);
    await identity.expectError(404, 'M_NOT_FOUND', a, 'PUT', uri.replace(encodeURIComponent(roomId), '!none'), event({ room_id: '!none' }));
    await new TestClient(a).expectError(404, 'M_NOT_FOUND', 'PUT', '/_matrix/federation/v1/3pid/onbind', { mxid: `@nobody:${a.name}`, invites: [] });
    expect((await alice.request('GET', `${room(roomId)}/members`)).chunk).toHaveLength(1);
  });
});
