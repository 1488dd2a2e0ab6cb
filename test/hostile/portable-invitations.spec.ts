import { genesisHash, signingKeyFromSeed, type RoomEvent } from '../../libs/federation/src/index.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import type { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld } from './hostile-world.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let bob: TestClient;
let owner: Person;
let mallory: HostilePerson;
let bad: HostileRoom;

const VERSION = 'io.partyline.1';
const otherKey = signingKeyFromSeed('ed25519:h_bad', new Uint8Array(32).fill(3));

beforeAll(async () => {
  world = await HostileWorld.start(async (net) => {
    owner = await Person.selfCertified('alice', net.server('a'));
    return owner.at(net.server('a'));
  });
  ({ hostile, a, b, alice, bob } = world);
  mallory = new HostilePerson('mallory', hostile);
  ({ bad } = await world.sharedRoom(VERSION, { userId: mallory.userId, joins: mallory.inRooms }));
});
afterAll(() => world?.stop());

it('a hostile home invites with a member event that names the home that signed, to a room that is one, whom it names', async () => {
  const made = bad.event({
    type: 'm.room.create', state_key: '', room_id: undefined as unknown as string, prev_events: [], auth_events: [], depth: 1,
    content: { room_version: VERSION, home_record: mallory.record as unknown as Json },
  });
  const create = wire(made);
  const inRoom = (changes: Json = {}) => ({ room_id: made.roomId, ...changes });
  const member = wire(bad.member(mallory.userId, 'join', inRoom({ content: { home_record: mallory.record as unknown as Json } })));
  const own = new HostilePerson('inviter', hostile);
  const invite = (changes: Json = {}, signer?: { name: string; key: typeof otherKey }) => bad.event({
    type: 'm.room.member', room_id: made.roomId, state_key: owner.userId, content: { membership: 'invite' }, ...changes,
  }, signer ?? { name: hostile.name, key: mallory.homeKey });
  const deliver = async (event: RoomEvent, inviteState: unknown[]) => {
    const uri = `/_matrix/federation/v2/invite/${encodeURIComponent(event.roomId)}/${encodeURIComponent(event.eventId)}`;
    const { status, body } = await hostile.raw(a, 'PUT', uri, { event: wire(event), room_version: VERSION, invite_room_state: inviteState });
    return [status, body?.errcode];
  };
  const before = await tableCounts(a);
  const forbidden = [403, 'M_FORBIDDEN'];
  expect(await deliver(invite(), [])).toEqual(forbidden);
  expect(await deliver(invite({}, { name: hostile.name, key: otherKey }), [member, create])).toEqual(forbidden);
  expect(await deliver(invite({ home: a.name }), [member, create])).toEqual(forbidden);
  expect(await deliver(invite({ sender: own.userId }), [member, create])).toEqual(forbidden);
  // In the name of bob, with a member event that claims a record for him which nobody signed.
  const claimed = wire(bad.member(bob.userId, 'join', inRoom({ sender: bob.userId, content: { home_record: { ...mallory.record, user_id: bob.userId } as unknown as Json } })));
  expect(await deliver(invite({ sender: bob.userId }), [claimed, create])).toEqual(forbidden);
  // … or one that mallory's own key signed.
  const planted = wire(bad.member(bob.userId, 'join', inRoom({ sender: bob.userId, content: { home_record: mallory.signed({ user_id: bob.userId }) as unknown as Json } })));
  expect(await deliver(invite({ sender: bob.userId }), [planted, create])).toEqual(forbidden);
  // … or a genesis of mallory's for the name.
  const genesis = { ...mallory.genesis, label: 'bob', server_name: b.name };
  const founded = wire(bad.member(bob.userId, 'join', inRoom({ sender: bob.userId, content: { home_record: mallory.signed({ user_id: bob.userId, genesis }) as unknown as Json } })));
  expect(await deliver(invite({ sender: bob.userId }), [founded, create])).toEqual(forbidden);
  // To somebody else who used the name, by what the invitation says or by what the room knows of him.
  const other = new HostilePerson('other', hostile);
  const another = genesisHash(other.genesis);
  expect(await deliver(invite({ content: { membership: 'invite', genesis_sha256: another } }), [member, create])).toEqual(forbidden);
  const elsewhere = { ...other.record, user_id: owner.userId } as unknown as Json;
  expect(await deliver(invite({ content: { membership: 'invite', home_record: elsewhere } }), [member, create])).toEqual(forbidden);
  // To a room that is none: without what made it, by another one's, by one that its creator's home has not signed, or that lets nobody in.
  const invalid = [400, 'M_INVALID_PARAM'];
  const outside = bad.event({ type: 'm.room.create', state_key: '', room_id: undefined as unknown as string, prev_events: [], auth_events: [], content: { room_version: VERSION, home_record: mallory.record as unknown as Json, x: 1 } });
  expect(await deliver(invite(), [member])).toEqual(invalid);
  expect(await deliver(invite(), [member, wire(outside)])).toEqual(invalid);
  const founding = async (content: Json, signer = { name: hostile.name, key: mallory.homeKey }) => {
    const event = bad.event({
      type: 'm.room.create', state_key: '', room_id: undefined as unknown as string, prev_events: [], auth_events: [], depth: 1,
      content: { room_version: VERSION, home_record: mallory.record as unknown as Json, ...content },
    }, signer);
    const joined = bad.member(mallory.userId, 'join', { room_id: event.roomId, content: { home_record: mallory.record as unknown as Json } });
    return deliver(invite({ room_id: event.roomId }), [wire(joined), wire(event)]);
  };
  expect(await founding({}, { name: hostile.name, key: otherKey })).toEqual(invalid);
  expect(await founding({ room_version: '12' })).toEqual(invalid);
  expect(await founding({ 'm.federate': false })).toEqual(forbidden);
  expect(await tableCounts(a)).toEqual(before);

  const good = invite({ content: { membership: 'invite', genesis_sha256: genesisHash(owner.record.genesis) } });
  expect(await deliver(good, [member, create])).toEqual([200, undefined]);
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
