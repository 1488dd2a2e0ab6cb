import { randomBytes } from 'node:crypto';
import { acceptedInput, compareRecords, signingKeyFromSeed, type HomeRecord, type RoomEvent } from '../../libs/federation/src/index.js';
import { AccountOps } from '../../apps/homeserver/src/accounts/account-ops.js';
import { parseReading } from '../../apps/homeserver/src/homes/ops/hybrid-clock.js';
import { OperationLog } from '../../apps/homeserver/src/homes/ops/operation-log.js';
import { operationInput } from '../../apps/homeserver/src/homes/ops/operation.js';
import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom, type EventChanges } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { tableCounts } from './table-counts.js';

const VERSION = 'io.partyline.1';
const FEDERATION = '/_matrix/federation/unstable/io.partyline';
const path = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const otherKey = signingKeyFromSeed('ed25519:h_bad', new Uint8Array(32).fill(3));

let net: Network;
let hostile: HostileServer;
let a: TestServer;
let b: TestServer;
let owner: Person;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  net = await Network.start({ servers: 2 });
  hostile = await HostileServer.start();
  [a, b] = [net.server('a'), net.server('b')];
  owner = await Person.selfCertified('alice', a);
  alice = owner.at(a);
  bob = await net.client('b').register('bob');
});
afterAll(async () => {
  await hostile?.stop();
  await net?.stop();
});

const state = (client: TestClient, roomId: string, type: string, key = '') => client.request('GET', `${path(roomId)}/state/${type}/${encodeURIComponent(key)}`);
const statusOf = async (event: RoomEvent) => (await a.get(EventsStore).byId(event.eventId))?.status;
const isShown = async (roomId: string, event: RoomEvent) =>
  (await alice.raw('GET', `${path(roomId)}/event/${encodeURIComponent(event.eventId)}`)).status === 200;

async function sharedRoom(mallory: HostilePerson): Promise<{ roomId: string; bad: HostileRoom }> {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: VERSION, preset: 'public_chat' });
  await bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
  return { roomId, bad: await HostileRoom.join(hostile, a, roomId, mallory.userId, mallory.inRooms) };
}

async function expectGoodServersAgree(roomId: string): Promise<void> {
  const topic = `after ${Math.random()}`;
  await alice.request('PUT', `${path(roomId)}/state/m.room.topic`, { topic });
  await eventually(async () => (await state(bob, roomId, 'm.room.topic')).topic === topic);
  const all = async (client: TestClient) => (await client.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id).sort();
  await eventually(async () => JSON.stringify(await all(alice)) === JSON.stringify(await all(bob)));
}

/** Each is refused, and changes nothing in the room. */
async function expectRejected(roomId: string, events: Readonly<Record<string, RoomEvent>>): Promise<void> {
  for (const [name, event] of Object.entries(events)) {
    expect([name, await hostile.send(a, [wire(event)])]).toEqual([name, { [event.eventId]: { error: expect.any(String) } }]);
    expect([name, await isShown(roomId, event)]).toEqual([name, false]);
  }
  await expectGoodServersAgree(roomId);
}

describe('a hostile home in a portable room', () => {
  let mallory: HostilePerson;
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    mallory = new HostilePerson('mallory', hostile);
    ({ roomId, bad } = await sharedRoom(mallory));
  });

  it('can send what is right', async () => {
    const message = bad.message('hello');
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: {} });
    expect(await isShown(roomId, message)).toBe(true);
    bad.follow(message);
  });

  it('signs with the key that the record names, and no other', async () => {
    const by = (name: string, key = mallory.homeKey) => ({ name, key });
    const message = bad.message('signed twice');
    await expectRejected(roomId, {
      'another key of the same id': bad.event({ type: 'm.x' }, by(hostile.name, otherKey)),
      'the server key': bad.event({ type: 'm.x' }, by(hostile.name, hostile.key)),
      'its key under the name of another home': bad.event({ type: 'm.x' }, by(a.name)),
      'a key id that the record does not name': bad.event({ type: 'm.x' }, by(hostile.name, signingKeyFromSeed('ed25519:h_other', randomBytes(32)))),
      'a home that the record does not name': bad.event({ type: 'm.x', home: b.name }, by(b.name)),
      'another home than who signed': bad.event({ type: 'm.x', home: a.name }),
      'no home': bad.event({ type: 'm.x', home: undefined } as unknown as EventChanges),
      'the signature of another event': { ...message, json: JSON.stringify({ ...wire(message), signatures: bad.message('other').pdu.signatures }) },
    });
  });

  it('speaks for nobody else', async () => {
    const forged = { sender: owner.userId };
    await expectRejected(roomId, {
      'a message of another user': bad.message('as alice', forged),
      'a message in the name of her home': bad.event({ type: 'm.room.message', ...forged, home: a.name }, { name: a.name, key: mallory.homeKey }),
      'the leave of another user': bad.member(owner.userId, 'leave', { ...forged, content: { home_record: owner.record as unknown as Json } }),
      'a join of another user, with a record that names this home': bad.member(owner.userId, 'join', {
        ...forged, content: { home_record: mallory.signed({ user_id: owner.userId }) as unknown as Json },
      }),
      'power over the room': bad.event({ type: 'm.room.power_levels', state_key: '', content: { users: { [mallory.userId]: 100 } } }),
      'a kick': bad.member(bob.userId, 'leave', { content: { home_record: (await state(alice, roomId, 'm.room.member', bob.userId)).home_record } }),
    });
  });

  describe('with a record', () => {
    const join = (record: unknown) => bad.member(mallory.userId, 'join', { content: { home_record: record as Json } });

    it('that is wrong, cannot send it', async () => {
      const homes = (count: number) => Array.from({ length: count }, (_, i) => ({ ...mallory.entry(), server_name: i === 0 ? hostile.name : `h${i}.example` }));
      const other = new HostilePerson('other', hostile);
      const next = { seq: mallory.record.seq + 1 };
      await expectRejected(roomId, {
        'none': bad.member(mallory.userId, 'join'),
        'of another type': join('x'),
        'of six homes': join(mallory.signed({ ...next, homes: homes(6) })),
        'of one home twice': join(mallory.signed({ ...next, homes: [mallory.entry(), mallory.entry()] })),
        'without homes': join(mallory.signed({ ...next, homes: [] })),
        'signed by another key': join(mallory.signed(next, other.key)),
        'changed after it was signed': join({ ...mallory.next(), seq: 7 }),
        'of another account': join(other.record),
        'of another genesis': join(mallory.signed({ ...next, genesis: other.genesis }, other.key)),
        'of a genesis with another key': join(mallory.signed({ ...next, genesis: { ...mallory.genesis, account_key: other.key.publicKey } }, other.key)),
        'of an epoch that nobody certified': join(mallory.signed({ epoch: 1 })),
        'of an epoch that the account key certified': join(mallory.signed({
          epoch: 1, account_key_cert: { account_key: other.key.publicKey, epoch: 1, signature: mallory.key.sign('{}') },
        }, other.key)),
        'of the same version and other content': join(mallory.signed({ master_key: other.key.publicKey })),
        'with a seq below 0': join(mallory.signed({ seq: -1 })),
        'of more than 8 KiB': join(mallory.signed({ ...next, extra: 'x'.repeat(8_192) })),
      });
      // No event at all.
      const beyond = wire(join(mallory.next()));
      beyond.content.home_record.seq = 2 ** 53;
      expect(await hostile.send(a, [beyond])).toEqual({});
      expect((await state(bob, roomId, 'm.room.member', mallory.userId)).home_record).toEqual(mallory.record);
    });

    it('that is older, cannot go back, and not after having left', async () => {
      const old = mallory.record;
      mallory.record = mallory.next({ priorities: { [hostile.name]: 3 } });
      const update = join(mallory.record);
      expect(await hostile.send(a, [wire(update)])).toEqual({ [update.eventId]: {} });
      bad.follow(update);
      await expectRejected(roomId, { 'the first record': join(old), 'leaving with the first record': bad.member(mallory.userId, 'leave', { content: { home_record: old as unknown as Json } }) });
      const leave = bad.member(mallory.userId, 'leave', { content: { home_record: mallory.record as unknown as Json } });
      expect(await hostile.send(a, [wire(leave)])).toEqual({ [leave.eventId]: {} });
      bad.follow(leave);
      await expectRejected(roomId, { 'coming back with the first record': join(old) });
      const back = join(mallory.record);
      expect(await hostile.send(a, [wire(back)])).toEqual({ [back.eventId]: {} });
      bad.follow(back);
    });

    it('that drops a home, cannot act through that home any more', async () => {
      const second = await HostileServer.start();
      try {
        mallory.record = mallory.next({ add: [mallory.entry(second)] });
        bad.follow(await sent(join(mallory.record)));
        const through = (body: string) => bad.event({ type: 'm.room.message', home: second.name, content: { body } }, { name: second.name, key: mallory.homeKey });
        bad.follow(await sent(through('as a home')));
        mallory.record = mallory.next({ drop: [second.name] });
        bad.follow(await sent(join(mallory.record)));
        await expectRejected(roomId, { 'a message through the dropped home': through('dropped') });
      } finally {
        await second.stop();
      }
    });

    it('cannot be planted for others by who has power in the room', async () => {
      const { roomId: own, bad: strong } = await sharedRoom(mallory);
      const levels = await state(alice, own, 'm.room.power_levels');
      await alice.request('PUT', `${path(own)}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [mallory.userId]: 90 } });
      const power = (await alice.request('GET', `${path(own)}/state`)).find((event: Json) => event.type === 'm.room.power_levels');
      strong.state.set('m.room.power_levels\0', power.event_id);
      strong.latest = [power.event_id];
      const { home_record: record } = await state(alice, own, 'm.room.member', bob.userId);
      const kick = (home_record: Json | undefined) => strong.member(bob.userId, 'leave', home_record === undefined ? {} : { content: { home_record } });
      await expectRejected(own, {
        'a kick without the record of who is kicked': kick(undefined),
        'a kick with the own record': kick(mallory.record as unknown as Json),
        'a kick with a changed record': kick({ ...record, seq: record.seq + 1 }),
        'a first record for somebody new': strong.member('@new:nowhere.example', 'invite', { content: { home_record: new HostilePerson('new', hostile).record as unknown as Json } }),
      });
      const proper = kick(record);
      expect(await hostile.send(a, [wire(proper)])).toEqual({ [proper.eventId]: {} });
    });

    async function sent(event: RoomEvent): Promise<RoomEvent> {
      expect(await hostile.send(a, [wire(event)])).toEqual({ [event.eventId]: {} });
      return event;
    }
  });

  it('gets the second event of one transaction soft-failed', async () => {
    const txn = 'A'.repeat(22);
    const [first, second] = [bad.message('once', { txn }), bad.message('twice', { txn })];
    expect(await hostile.send(a, [wire(first), wire(second)])).toEqual({ [first.eventId]: {}, [second.eventId]: {} });
    expect([await statusOf(first), await statusOf(second)]).toEqual([EventStatus.accepted, EventStatus.softFailed]);
    expect([await isShown(roomId, first), await isShown(roomId, second)]).toEqual([true, false]);
    bad.follow(first);
    await expectGoodServersAgree(roomId);
  });

  it('joins with events of its own only', async () => {
    const other = new HostilePerson('joiner', hostile);
    const template = async (userId: string) => (await hostile.request(a, 'GET', `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(userId)}?ver=${VERSION}`)).event;
    const sendJoin = async (changes: Json, signer = { name: hostile.name, key: other.homeKey }) => {
      const event = bad.event({ ...(await template(other.userId)), home: hostile.name, content: { membership: 'join', home_record: other.record }, ...changes }, signer);
      const { status, body } = await hostile.raw(a, 'PUT', `/_matrix/federation/v2/send_join/${encodeURIComponent(roomId)}/${encodeURIComponent(event.eventId)}`, wire(event));
      return [status, body?.errcode];
    };
    const forbidden = [403, 'M_FORBIDDEN'];
    expect(await sendJoin({}, { name: hostile.name, key: otherKey })).toEqual(forbidden);
    expect(await sendJoin({ home: a.name }, { name: a.name, key: other.homeKey })).toEqual(forbidden);
    expect(await sendJoin({ home: undefined })).toEqual(forbidden);
    expect(await sendJoin({ content: { membership: 'join' } })).toEqual(forbidden);
    expect(await sendJoin({ content: { membership: 'join', home_record: mallory.record } })).toEqual(forbidden);
    expect(await sendJoin({ content: { membership: 'join', home_record: { ...other.record, seq: 5 } } })).toEqual(forbidden);
    expect(await sendJoin({ sender: owner.userId, state_key: owner.userId })).toEqual(forbidden);
    expect(Object.keys((await alice.request('GET', `${path(roomId)}/joined_members`)).joined)).not.toContain(other.userId);
    expect((await sendJoin({}))[0]).toBe(200);
  });

  it('invites with a member event that names the home that signed', async () => {
    const member = wire(bad.member(mallory.userId, 'join', { content: { home_record: mallory.record as unknown as Json } }));
    const own = new HostilePerson('inviter', hostile);
    const invite = (changes: Json = {}, signer?: { name: string; key: typeof otherKey }) => bad.event({
      type: 'm.room.member', room_id: `!${'I'.repeat(43)}`, state_key: owner.userId, content: { membership: 'invite' }, ...changes,
    }, signer ?? { name: hostile.name, key: mallory.homeKey });
    const deliver = async (event: RoomEvent, inviteState: unknown[]) => {
      const uri = `/_matrix/federation/v2/invite/${encodeURIComponent(event.roomId)}/${encodeURIComponent(event.eventId)}`;
      const { status, body } = await hostile.raw(a, 'PUT', uri, { event: wire(event), room_version: VERSION, invite_room_state: inviteState });
      return [status, body?.errcode];
    };
    const before = await tableCounts(a);
    const forbidden = [403, 'M_FORBIDDEN'];
    expect(await deliver(invite(), [])).toEqual(forbidden);
    expect(await deliver(invite({}, { name: hostile.name, key: otherKey }), [member])).toEqual(forbidden);
    expect(await deliver(invite({ home: a.name }), [member])).toEqual(forbidden);
    expect(await deliver(invite({ sender: own.userId }), [member])).toEqual(forbidden);
    // In the name of bob, with a member event that claims a record for him which nobody signed.
    const claimed = wire(bad.member(bob.userId, 'join', { sender: bob.userId, content: { home_record: { ...mallory.record, user_id: bob.userId } as unknown as Json } }));
    expect(await deliver(invite({ sender: bob.userId }), [claimed])).toEqual(forbidden);
    // … or one that mallory's own key signed.
    const planted = wire(bad.member(bob.userId, 'join', { sender: bob.userId, content: { home_record: mallory.signed({ user_id: bob.userId }) as unknown as Json } }));
    expect(await deliver(invite({ sender: bob.userId }), [planted])).toEqual(forbidden);
    // … or a genesis of mallory's for the name.
    const genesis = { ...mallory.genesis, label: 'bob', server_name: b.name };
    const founded = wire(bad.member(bob.userId, 'join', { sender: bob.userId, content: { home_record: mallory.signed({ user_id: bob.userId, genesis }) as unknown as Json } }));
    expect(await deliver(invite({ sender: bob.userId }), [founded])).toEqual(forbidden);
    expect(await tableCounts(a)).toEqual(before);

    const good = invite();
    expect(await deliver(good, [member])).toEqual([200, undefined]);
    const invitations = async () => Object.keys((await alice.request('GET', '/v3/sync')).rooms?.invite ?? {});
    expect(await invitations()).toEqual([good.roomId]);
    // Only who sent it, or the invited person, takes it back.
    const leave = (changes: Json, signer = { name: hostile.name, key: mallory.homeKey }) => bad.event({
      type: 'm.room.member', room_id: good.roomId, state_key: owner.userId, content: { membership: 'leave' }, ...changes,
    }, signer);
    const stranger = await HostileServer.start();
    try {
      const theirs = { name: stranger.name, key: otherKey };
      const claim = { ...owner.record, homes: [{ ...owner.record.homes[0]!, server_name: stranger.name, key_id: otherKey.keyId, key: otherKey.publicKey }] };
      const forged = [
        leave({ home: stranger.name }, theirs), leave({ sender: own.userId, home: stranger.name }, theirs), leave({ sender: owner.userId, home: stranger.name }, theirs),
        leave({ sender: owner.userId, home: stranger.name, content: { membership: 'leave', home_record: claim } }, theirs), leave({}),
      ];
      for (const event of forged) expect((await stranger.send(a, [wire(event)]))[event.eventId]).toEqual({ error: expect.any(String) });
      expect(await invitations()).toEqual([good.roomId]);
    } finally {
      await stranger.stop();
    }
    const proper = leave({});
    expect(await hostile.send(a, [wire(proper)])).toEqual({ [proper.eventId]: {} });
    expect(await invitations()).toEqual([]);
  });
});

describe('home records', () => {
  let mallory: HostilePerson;
  beforeEach(async () => {
    mallory = new HostilePerson(`m${randomBytes(3).toString('hex')}`, hostile);
    await publish(mallory.record);
  });

  it('are refused when they do not prove themselves, from clients and from servers', async () => {
    const other = new HostilePerson('other', hostile);
    const next = { seq: 1 };
    const homes = Array.from({ length: 6 }, (_, i) => ({ ...mallory.entry(), server_name: `h${i}.example` }));
    const cases: [string, number, string, unknown][] = [
      ['six homes', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes })],
      ['a home twice', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes: [mallory.entry(), mallory.entry()] })],
      ['a home that is no server', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes: [{ ...mallory.entry(), server_name: 'no server' }] })],
      ['a float', 400, 'M_BAD_JSON', { ...mallory.next(), seq: 1.5 }],
      ['no signature', 400, 'M_BAD_JSON', { ...mallory.next(), signature: undefined }],
      ['more than 8 KiB', 400, 'M_BAD_JSON', mallory.signed({ ...next, extra: 'x'.repeat(8_192) })],
      ['a broken signature', 403, 'M_FORBIDDEN', { ...mallory.next(), seq: 5 }],
      ['the signature of another key', 403, 'M_FORBIDDEN', mallory.signed(next, other.key)],
      ['another genesis', 403, 'M_FORBIDDEN', mallory.signed({ ...next, genesis: other.genesis }, other.key)],
      ['an epoch without certificate', 403, 'M_FORBIDDEN', mallory.signed({ epoch: 1 })],
      ['the name of an account of this server', 403, 'M_FORBIDDEN', mallory.signed({ user_id: bob.userId })],
    ];
    const before = await tableCounts(a);
    for (const [name, status, errcode, record] of cases) {
      const put = await net.client('a').raw('PUT', `${homesPath}/account/record`, { record });
      expect([name, put.status, put.body?.errcode]).toEqual([name, status, errcode]);
      const post = await hostile.raw(a, 'POST', `${FEDERATION}/record`, record);
      expect([name, post.status, post.body?.errcode]).toEqual([name, status, errcode]);
    }
    expect(await tableCounts(a)).toEqual(before);
    expect(await hostile.request(a, 'GET', `${FEDERATION}/record/${encodeURIComponent(mallory.userId)}`)).toEqual(mallory.record);
  });

  it('of a named account are refused with a genesis that its domain does not stand for', async () => {
    const named = { ...mallory.genesis, label: 'bob', server_name: b.name };
    const record = mallory.signed({ user_id: bob.userId, genesis: named });
    for (const endorsement of [undefined, { [hostile.key.keyId]: hostile.key.sign('{}') }]) {
      const claimed = mallory.signed({ endorsement }, mallory.key, record);
      await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/record`, claimed);
      await hostile.expectError(403, 'M_FORBIDDEN', b, 'POST', `${FEDERATION}/record`, claimed);
    }
  });

  it('do not go back', async () => {
    const old = mallory.record;
    mallory.record = mallory.next();
    await publish(mallory.record);
    const refused = await net.client('a').expectError(409, 'IO_PARTYLINE_STALE_RECORD', 'PUT', `${homesPath}/account/record`, { record: old });
    expect(refused.record).toEqual(mallory.record);
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, old)).toEqual(mallory.record);
  });

  it('of one version converge on one of them, whatever the order', async () => {
    const twins = [mallory.signed({ seq: 1, master_key: null, a: 1 }), mallory.signed({ seq: 1, master_key: null, a: 2 })];
    const [kept, lost] = twins.sort(compareRecords).reverse() as [HomeRecord, HomeRecord];
    // A hears of the lower one first, B of the higher one.
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, lost)).toEqual(lost);
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, kept)).toEqual(kept);
    expect(await hostile.request(b, 'POST', `${FEDERATION}/record`, kept)).toEqual(kept);
    expect(await hostile.request(b, 'POST', `${FEDERATION}/record`, lost)).toEqual(kept);
    expect((await net.client('b').raw('PUT', `${homesPath}/account/record`, { record: lost })).status).toBe(409);
  });

  /** As a client does, without a token. */
  const publish = (record: HomeRecord) => net.client('a').request('PUT', `${homesPath}/account/record`, { record });
});

describe('data of an account', () => {
  it('is not for servers that are no homes', async () => {
    const user = encodeURIComponent(owner.userId);
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: VERSION });
    const cases: [string, string, Json?][] = [
      ['GET', `/account/${user}/snapshot`], ['GET', `/account/${user}/ops`], ['POST', `/account/${user}/ops`, { ops: [] }],
      ['GET', `/attach/${encodeURIComponent(roomId)}?user_id=${user}`], ['POST', `/attach/${encodeURIComponent(roomId)}`, { user_id: owner.userId }],
    ];
    for (const [method, uri, body] of cases) await hostile.expectError(403, 'M_FORBIDDEN', a, method, `${FEDERATION}${uri}`, body);
    // Nor does a record help that the account key has not signed.
    const forged = { ...owner.record, seq: 9, homes: [...owner.record.homes, new HostilePerson('x', hostile).entry()] };
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/account/${user}/ops`, { ops: [], record: forged });
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/attach/${encodeURIComponent(roomId)}`, { user_id: owner.userId, record: forged });
  });

  it('takes no typing, receipts, messages or devices from servers that do not speak for the sender', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
    const { event_id: eventId } = await alice.request('PUT', `${path(roomId)}/send/m.room.message/1`, { body: 'x', msgtype: 'm.text' });
    const before = await tableCounts(a);
    const message = (sender: unknown, messages: unknown) => ({ edu_type: 'm.direct_to_device', content: { sender, type: 'm.x', message_id: 'id', messages } });
    await hostile.send(a, [], [
      { edu_type: 'm.typing', content: { room_id: roomId, user_id: bob.userId, typing: true } },
      { edu_type: 'm.receipt', content: { [roomId]: { 'm.read': { [bob.userId]: { event_ids: [eventId], data: { ts: 1 } } } } } },
      message(bob.userId, { [owner.userId]: { '*': {} } }),
      message(owner.userId, { [owner.userId]: { '*': {} } }),
      { edu_type: 'm.device_list_update', content: { user_id: bob.userId, device_id: 'X', stream_id: 1, prev_id: [], keys: {} } },
      { edu_type: 'm.signing_key_update', content: { user_id: bob.userId } },
      { edu_type: 'm.presence', content: { push: 'x' } },
    ]);
    // Wrong types of all kinds, of a server that would speak for the sender.
    const odd = [null, 1, 'x', [], {}, '__proto__', 'a\0b', '\ud800', 2 ** 53, 1.5, { x: { y: 1 } }, ['x', null]];
    const kinds = ['m.typing', 'm.receipt', 'm.direct_to_device', 'm.device_list_update', 'm.signing_key_update', 'm.presence'];
    const members = ['room_id', 'user_id', 'typing', 'sender', 'type', 'message_id', 'messages', 'device_id', 'stream_id', 'prev_id', 'keys', 'deleted', 'push', roomId];
    for (const value of odd) {
      const wrong = kinds.map((edu_type) => ({ edu_type, content: { sender: hostile.user('x'), user_id: hostile.user('x'), ...Object.fromEntries(members.filter((name) => name !== 'user_id').map((name) => [name, value])) } }));
      await hostile.send(a, [], [...wrong, { edu_type: value, content: {} }, { edu_type: 'm.typing', content: value }]);
    }
    const { rooms, to_device: toDevice } = await alice.request('GET', '/v3/sync');
    expect(JSON.stringify(rooms.join[roomId].ephemeral)).not.toContain(bob.userId);
    expect(toDevice?.events ?? []).toEqual([]);
    const after = await tableCounts(a);
    for (const table of ['receipts', 'to_device_messages', 'device_keys']) expect([table, after[table]]).toEqual([table, before[table]]);
  });

  it('survives a hostile home that the person chose, whatever it writes', async () => {
    const victim = await Person.selfCertified(`v${randomBytes(3).toString('hex')}`, a);
    const key = signingKeyFromSeed('ed25519:h_bad', randomBytes(32));
    const helper = new HostilePerson('helper', hostile);
    const accepted = { [hostile.key.keyId]: hostile.key.sign(acceptedInput(victim.userId, key.publicKey, hostile.name)) };
    await victim.publish(victim.next({ add: [helper.entry(hostile, { key: key.publicKey, key_id: key.keyId, accepted })] }), a);
    let n = 0;
    const op = (kind: string, name: string, value: string, ms = Date.now()) => {
      const unsigned = { home: hostile.name, n: ++n, hlc: `${String(ms).padStart(15, '0')}.${String(n).padStart(8, '0')}`, kind, key: name, value };
      return { ...unsigned, signature: key.sign(operationInput({ ...unsigned, userId: victim.userId })) };
    };
    const uri = `${FEDERATION}/account/${encodeURIComponent(victim.userId)}/ops`;
    const values = ['null', '1', '"x"', '[]', '{}', 'true', '{"a":1.5}', '"\\u0000"', '"\\ud800"', '{"display_name":"\\u0000"}', '{"__proto__":{}}', '{"rules":7}', '[[[]]]', '"{\\"a\\":"', '"null"', '"[1]"'];
    const keys = ['x', '', '["!a:b","m.tag"]', '[]', '{}', 'master', '__proto__', 'm.push_rules', '["a\\u0000","m.read",""]', '["global","override",".m.rule.master"]', 'displayname'];
    for (const [kind] of a.get(AccountOps).kinds()) {
      const ops = values.flatMap((value) => keys.map((name) => op(kind, name, value)));
      const { status, body } = await hostile.raw(a, 'POST', uri, { ops });
      expect([kind, status, body?.vector?.[hostile.name]]).toEqual([kind, 200, n]);
    }
    // The account works on at its good home.
    const client = victim.at(a);
    for (const read of ['/v3/sync', '/v3/devices', '/v3/pushrules/', `/v3/profile/${encodeURIComponent(victim.userId)}`]) {
      expect([read, (await client.raw('GET', read)).status]).toEqual([read, 200]);
    }
    const { room_id: roomId } = await client.request('POST', '/v3/createRoom', { room_version: VERSION });
    await client.request('PUT', `${path(roomId)}/send/m.room.message/1`, { body: 'x', msgtype: 'm.text' });
    // A clock that is days ahead would win for ever.
    const late = Date.now() + 3 * 86_400_000;
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', uri, { ops: [op('profile', 'displayname', '"late"', late)] });
    // Nor is it taken with a copy of the whole account.
    const hlc = `${String(late).padStart(15, '0')}.00000000`;
    hostile.on(/\/account\/.*\/ops/, () => ({ snapshot_needed: true }));
    hostile.on(/\/account\/.*\/snapshot/, () => ({
      vector: { [hostile.name]: n + 100 }, rooms: {}, items: [{ kind: 'profile', key: 'displayname', value: 'late', hlc, home: hostile.name }],
    }));
    await hostile.request(a, 'POST', uri, { ops: [], vector: { [hostile.name]: n + 100 } });
    await eventually(async () => (await hostile.request(a, 'POST', uri, { ops: [] })).vector[hostile.name] === n + 100);
    expect((await client.request('GET', `/v3/profile/${encodeURIComponent(victim.userId)}`)).displayname).not.toBe('late');
    expect(parseReading(a.get(OperationLog).clock.tick()).ms).toBeLessThan(late - 86_400_000);
  });
});
