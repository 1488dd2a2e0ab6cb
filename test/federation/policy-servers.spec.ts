import { randomBytes } from 'node:crypto';
import { PolicyServers } from '../../apps/homeserver/src/rooms/policy/policy-servers.js';
import { addSignature, readPdu, signingKeyFromSeed } from '../../libs/federation/src/index.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer, Verbatim, wire } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { allPages, roomPath, shownAs } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let far: TestClient;
let policy: HostileServer;
let other: HostileServer;
const key = signingKeyFromSeed('ed25519:policy_server', randomBytes(32));

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, far, policy, other] = await Promise.all([net.client('a').register('alice'), net.client('b').register('far'), HostileServer.start(), HostileServer.start()]);
});
afterAll(async () => {
  await Promise.all([policy?.stop(), other?.stop()]);
  await net?.stop();
});

const send = (client: TestClient, roomId: string, body: string): Promise<Json> => client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body });
const refused = (client: TestClient, roomId: string, body: string, status = 400, errcode = 'M_FORBIDDEN'): Promise<Json> =>
  client.expectError(status, errcode, 'PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body });
const setPolicy = (roomId: string, content: Json): Promise<Json> => alice.request('PUT', `${roomPath(roomId)}/state/m.room.policy/`, content);
const bodies = async (client: TestClient, roomId: string): Promise<string[]> => shownAs((await allPages(client, roomId, { dir: 'b', limit: 50 })).events.filter((event) => event.type === 'm.room.message'));

const sendLater = (client: TestClient, roomId: string, body: string): Promise<Json> =>
  client.request('PUT', `${roomPath(roomId)}/delayed_event/m.room.message/${client.nextTxn()}`, { delay: 1, content: { msgtype: 'm.text', body } });
const asked = (body: string): boolean => policy.requests.some((request) => request.path === '/_matrix/policy/v1/sign' && request.body.content.body === body);

/** The policy server signs what is no spam. */
function judge(): void {
  policy.on(/^\/_matrix\/policy\/v1\/sign$/, (_path, body) => {
    if (String(body.content.body).includes('spam')) return new Verbatim(400, {}, JSON.stringify({ errcode: 'M_FORBIDDEN', error: 'spam' }));
    const { signatures } = addSignature(readPdu(body, room.rules), room.rules, policy.name, key).pdu;
    return { [policy.name]: { [key.keyId]: signatures[policy.name]![key.keyId] } };
  });
}

let roomId: string;
let room: HostileRoom;
beforeEach(async () => {
  judge();
  roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', room_version: '11' })).room_id;
  room = await HostileRoom.join(policy, net.server('a'), roomId, policy.user('judge'));
  await far.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
});

describe('a policy server', () => {
  it('has a say in what is sent here, and in nothing before the room names it', async () => {
    await send(alice, roomId, 'spam of old');
    await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
    await send(alice, roomId, 'fine');
    await refused(alice, roomId, 'spam');
    await eventually(async () => (await far.request('GET', `${roomPath(roomId)}/state/m.room.policy/`)).via === policy.name);
    await send(far, roomId, 'fine too');
    await refused(far, roomId, 'spam');
    await eventually(async () => (await bodies(alice, roomId)).join() === 'fine too,fine,spam of old');
    // State and members are judged as well; whoever takes it away is not.
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: 'Signed' });
    expect(policy.requests.filter(({ path }) => path === '/_matrix/policy/v1/sign').map(({ body }) => body.type)).toContain('m.room.topic');
    policy.on(/^\/_matrix\/policy\/v1\/sign$/, () => new Verbatim(403, {}, JSON.stringify({ errcode: 'M_FORBIDDEN', error: 'no' })));
    await refused(alice, roomId, 'fine', 403);
    await setPolicy(roomId, {});
    await send(alice, roomId, 'spam again');
    await eventually(async () => (await bodies(far, roomId))[0] === 'spam again');
  });

  it('has a say in what comes from others', async () => {
    const theirs = await HostileRoom.join(other, net.server('a'), roomId, other.user('mallory'));
    await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
    const [fine, spam] = [theirs.message('fine'), theirs.message('this is spam')];
    expect(Object.keys(await other.send(net.server('a'), [wire(fine), wire(spam)])).sort()).toEqual([fine.eventId, spam.eventId].sort());
    await eventually(async () => (await bodies(alice, roomId)).includes('fine'));
    expect(await bodies(alice, roomId)).not.toContain('this is spam');
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/event/${encodeURIComponent(spam.eventId)}`);
    // A signature by another key is none.
    const forger = signingKeyFromSeed('ed25519:policy_server', randomBytes(32));
    const forged = addSignature(theirs.message('forged spam'), theirs.rules, policy.name, forger);
    await other.send(net.server('a'), [wire(forged)]);
    expect(await bodies(alice, roomId)).not.toContain('forged spam');
    // One by the right key needs no question.
    const asked = policy.requests.length;
    const signed = addSignature(theirs.message('signed'), theirs.rules, policy.name, key);
    await other.send(net.server('a'), [wire(signed)]);
    await eventually(async () => (await bodies(alice, roomId)).includes('signed'));
    expect(policy.requests.slice(asked).filter(({ path, body }) => path === '/_matrix/policy/v1/sign' && body.content.body === 'signed')).toEqual([]);
  });

  it('that is not in the room, or was named badly, has none', async () => {
    for (const content of [{ via: policy.name }, { via: 'not a name', public_keys: { ed25519: key.publicKey } }, { via: other.name, public_keys: { ed25519: key.publicKey } }]) {
      await setPolicy(roomId, content);
      await send(alice, roomId, 'spam');
    }
    await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
    await refused(alice, roomId, 'spam');
    await alice.request('POST', `${roomPath(roomId)}/kick`, { user_id: policy.user('judge') });
    await send(alice, roomId, 'spam');
  });

  it('that answers nonsense lets nothing through, but keeps nobody in the room', async () => {
    await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
    await eventually(async () => (await far.request('GET', `${roomPath(roomId)}/state/m.room.policy/`)).via === policy.name);
    for (const answer of [{}, { [policy.name]: {} }, { [policy.name]: { 'ed25519:policy_server': 'AAAA' } }, { [policy.name]: 5 }, [] as Json]) {
      policy.on(/^\/_matrix\/policy\/v1\/sign$/, () => answer);
      await refused(alice, roomId, 'fine', 502, 'M_UNKNOWN');
    }
    await far.request('POST', `${roomPath(roomId)}/leave`, {});
    expect((await far.request('GET', '/v3/joined_rooms')).joined_rooms).not.toContain(roomId);
    await setPolicy(roomId, {});
    await send(alice, roomId, 'free');
  });

  describe('that is slow', () => {
    let answer: () => void;
    beforeEach(() => {
      net.server('a').get(PolicyServers).timeoutMs = 120_000;
    });
    afterEach(() => {
      answer();
      net.server('a').get(PolicyServers).timeoutMs = 5_000;
    });

    /** It answers when the test wants it. */
    function hesitate(): void {
      const decided = new Promise<void>((resolve) => (answer = resolve));
      policy.on(/^\/_matrix\/policy\/v1\/sign$/, async (_path, body) => {
        await decided;
        if (String(body.content.body).includes('spam')) return {};
        const { signatures } = addSignature(readPdu(body, room.rules), room.rules, policy.name, key).pdu;
        return { [policy.name]: { [key.keyId]: signatures[policy.name]![key.keyId]! } };
      });
    }

    it('holds up only who waits for its word', async () => {
      const theirs = await HostileRoom.join(other, net.server('a'), roomId, other.user('mallory'));
      await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
      hesitate();
      const waiting = ['one', 'spam', 'two', 'three'].map((body) => client(body));
      function client(body: string): Promise<string> {
        return send(alice, roomId, body).then(() => body, () => `no ${body}`);
      }
      await eventually(() => asked('one'));
      // What others have had signed, and what needs no word of it.
      await other.send(net.server('a'), [wire(addSignature(theirs.message('signed'), theirs.rules, policy.name, key))]);
      await eventually(async () => (await bodies(alice, roomId)).includes('signed'));
      await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey }, 'com.example.changed': true });
      answer();
      expect(await Promise.all(waiting)).toEqual(['one', 'no spam', 'two', 'three']);
      await eventually(async () => (await bodies(far, roomId)).length === 4);
      for (const person of [alice, far]) expect((await bodies(person, roomId)).sort()).toEqual(['one', 'signed', 'three', 'two']);
      await send(alice, roomId, 'after');
      await eventually(async () => (await bodies(far, roomId))[0] === 'after');
    });

    it('holds up no delayed events of other rooms', async () => {
      await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
      hesitate();
      await sendLater(alice, roomId, 'slow');
      await eventually(() => asked('slow'));
      const elsewhere = (await alice.request('POST', '/v3/createRoom', {})).room_id;
      await sendLater(alice, elsewhere, 'quick');
      await eventually(async () => (await bodies(alice, elsewhere)).includes('quick'));
      answer();
      await eventually(async () => (await bodies(alice, roomId)).includes('slow'));
    });
  });

  it('that fails keeps a delayed event waiting', async () => {
    await setPolicy(roomId, { via: policy.name, public_keys: { ed25519: key.publicKey } });
    policy.on(/^\/_matrix\/policy\/v1\/sign$/, () => ({}));
    const { delay_id: id } = await sendLater(alice, roomId, 'in the end');
    await eventually(() => asked('in the end'));
    await setPolicy(roomId, {});
    await eventually(async () => (await bodies(alice, roomId)).includes('in the end'), 30_000);
    expect((await alice.request('GET', `/v1/delayed_events/${id}`)).error).toBeUndefined();
  });
});
