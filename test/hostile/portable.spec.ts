import { randomBytes } from 'node:crypto';
import { compareRecords, signingKeyFromSeed, type HomeRecord, type RoomEvent } from '../../libs/federation/src/index.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import type { HostileRoom, EventChanges } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start(async (net) => {
    owner = await Person.selfCertified('alice', net.server('a'));
    return owner.at(net.server('a'));
  });
  ({ hostile, a, b, alice, bob } = world);
});
afterAll(() => world?.stop());

const VERSION = 'io.partyline.1';
const otherKey = signingKeyFromSeed('ed25519:h_bad', new Uint8Array(32).fill(3));

let owner: Person;

/** Each is refused, and changes nothing in the room. */
async function expectRejected(roomId: string, events: Readonly<Record<string, RoomEvent>>): Promise<void> {
  for (const [name, event] of Object.entries(events)) {
    expect([name, await hostile.send(a, [wire(event)])]).toEqual([name, { [event.eventId]: { error: expect.any(String) } }]);
    expect([name, await world.isShown(roomId, event)]).toEqual([name, false]);
  }
  await world.expectGoodServersAgree(roomId);
}

describe('a hostile home in a portable room', () => {
  let mallory: HostilePerson;
  let roomId: string;
  let bad: HostileRoom;
  beforeAll(async () => {
    mallory = new HostilePerson('mallory', hostile);
    ({ roomId, bad } = await world.sharedRoom(VERSION, { userId: mallory.userId, joins: mallory.inRooms }));
  });

  it('can send what is right', async () => {
    const message = bad.message('hello');
    expect(await hostile.send(a, [wire(message)])).toEqual({ [message.eventId]: {} });
    expect(await world.isShown(roomId, message)).toBe(true);
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

  it('keeps no event from standing by a copy of it with a wrong signature, or none', async () => {
    // Signatures are no part of an event's id: what comes of a bad copy must not be remembered of the event.
    const first = bad.message('in several copies');
    for (const [name, signatures] of Object.entries({
      'none': {},
      'of another key': { [hostile.name]: { [mallory.homeKey.keyId]: otherKey.sign('x') } },
      'of the server': bad.event({ type: 'm.x' }, { name: hostile.name, key: hostile.key }).pdu.signatures,
    })) {
      expect([name, await hostile.send(a, [{ ...wire(first), signatures }])]).toEqual([name, { [first.eventId]: { error: expect.any(String) } }]);
      expect([name, await world.statusOf(first)]).toEqual([name, undefined]);
    }
    // Behind a bad copy that the sender gives, the good one of another server.
    expect(await hostile.send(b, [wire(first)])).toEqual({ [first.eventId]: {} });
    const next = bad.message('behind it', { prev_events: [first.eventId], depth: first.pdu.depth + 1 });
    hostile.on(/get_missing_events/, () => ({ events: [{ ...wire(first), signatures: {} }] }));
    expect(await hostile.send(a, [wire(next)])).toEqual({ [next.eventId]: {} });
    expect(await world.isShown(roomId, next)).toBe(true);
    expect(await world.statusOf(first)).toBe(EventStatus.accepted);
    bad.follow(first);
    bad.follow(next);
    await world.expectGoodServersAgree(roomId);
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
      'a kick': bad.member(bob.userId, 'leave', { content: { home_record: (await world.state(alice, roomId, 'm.room.member', bob.userId)).home_record } }),
    });
  });

  describe('with a record', () => {
    const join = (record: unknown) => bad.member(mallory.userId, 'join', { content: { home_record: record as Json } });

    /** Of two records of one version the one with the lower hash follows the other: one that does not. */
    const lowerTwin = (): HomeRecord => {
      for (let version = 0; ; version++) {
        const twin = mallory.signed({ version });
        if (compareRecords(twin, mallory.record) < 0) return twin;
      }
    };

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
        'of the same version, and not the one that follows': join(lowerTwin()),
        'with a seq below 0': join(mallory.signed({ seq: -1 })),
        'of more than 8 KiB': join(mallory.signed({ ...next, extra: 'x'.repeat(8_192) })),
      });
      // No event at all.
      const beyond = wire(join(mallory.next()));
      beyond.content.home_record.seq = 2 ** 53;
      expect(await hostile.send(a, [beyond])).toEqual({});
      expect((await world.state(bob, roomId, 'm.room.member', mallory.userId)).home_record).toEqual(mallory.record);
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
      const { roomId: own, bad: strong } = await world.sharedRoom(VERSION, { userId: mallory.userId, joins: mallory.inRooms });
      const levels = await world.state(alice, own, 'm.room.power_levels');
      await alice.request('PUT', `${path(own)}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [mallory.userId]: 90 } });
      const power = (await alice.request('GET', `${path(own)}/state`)).find((event: Json) => event.type === 'm.room.power_levels');
      strong.state.set('m.room.power_levels\0', power.event_id);
      strong.latest = [power.event_id];
      const { home_record: record } = await world.state(alice, own, 'm.room.member', bob.userId);
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
    expect([await world.statusOf(first), await world.statusOf(second)]).toEqual([EventStatus.accepted, EventStatus.softFailed]);
    expect([await world.isShown(roomId, first), await world.isShown(roomId, second)]).toEqual([true, false]);
    bad.follow(first);
    await world.expectGoodServersAgree(roomId);
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
});
