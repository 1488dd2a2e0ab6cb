import type { RoomEvent } from '../../libs/federation/src/index.js';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { Person } from '../network/person.js';
import { HostileHome } from './hostile-home.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let a: TestServer;
let alice: TestClient;
let owner: Person;

beforeAll(async () => {
  world = await HostileWorld.start(async (net) => {
    owner = await Person.selfCertified('alice', net.server('a'));
    return owner.at(net.server('a'));
  });
  ({ a, alice } = world);
});
afterAll(() => world?.stop());

const nowhere = (name: string) => `$${name.padStart(43, 'n')}`;

describe.each(['10', '11', '12', 'io.partyline.1'])('a state that a member of a room of version %s tells of', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  const banned = () => world.hostile.user('banned');

  /** Ids of the state as the good server has it. */
  const stateIds = async (): Promise<string[]> => (await alice.request('GET', `${path(roomId)}/state`)).map((event: Json) => event.event_id).sort();

  beforeEach(async () => {
    const mallory = new HostilePerson('mallory', world.hostile);
    ({ roomId, bad } = await world.sharedRoom(version, version.startsWith('io.') ? { userId: mallory.userId, joins: mallory.inRooms } : {}));
    await alice.request('PUT', `${path(roomId)}/state/m.room.topic`, { topic: 'as it stands' });
    await alice.request('POST', `${path(roomId)}/ban`, { user_id: banned() });
  });

  /** Says of an event that follows one which nobody has, and others, that the state before it was such. */
  async function tell(event: RoomEvent, pduIds: readonly string[]): Promise<void> {
    world.hostile.on(/get_missing_events/, () => ({ events: [] }));
    world.hostile.on(/\/event\//, () => ({ pdus: [] }));
    world.hostile.on(/state_ids/, () => ({ pdu_ids: pduIds, auth_chain_ids: pduIds }));
    expect(await world.hostile.send(a, [wire(event)])).toEqual({ [event.eventId]: {} });
  }

  const ends = async (): Promise<string[]> => {
    const found: Json = await world.hostile.request(a, 'GET', `/_matrix/federation/v1/make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(bad.userId)}`);
    return found.event.prev_events;
  };

  it('takes nothing away that stands, although it follows all that is known', async () => {
    const before = await stateIds();
    await tell(bad.message('behind all', { prev_events: [...(await ends()), nowhere('a')] }), [...bad.state.values()]);
    expect(await stateIds()).toEqual(before);
    await world.expectGoodServersAgree(roomId);
  });

  it('takes nothing away that stands, where it is beside what is known', async () => {
    const before = await stateIds();
    const beside = bad.message('beside', { prev_events: [nowhere('b')] });
    await tell(beside, [...bad.state.values()]);
    expect(await stateIds()).toEqual(before);
    await alice.request('PUT', `${path(roomId)}/send/m.room.message/${Math.random()}`, { body: 'binds', msgtype: 'm.text' });
    expect(await stateIds()).toEqual(before);
    await world.expectGoodServersAgree(roomId);
  });
});

it('brings nothing back that a revoked home did beside its revocation', async () => {
  const evil = new HostileHome(world.hostile, owner.userId);
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat' });
  const shows = () => eventually(async () => (await world.state(alice, roomId, 'm.room.member', owner.userId)).home_record.seq === owner.record.seq);
  await alice.request('PUT', `${path(roomId)}/state/m.room.topic`, { topic: 'as it stands' });
  await world.bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
  await owner.publish(owner.next({ add: [evil.entry] }), a);
  await shows();
  const mallory = new HostilePerson('mallory', world.hostile);
  const bad = await HostileRoom.join(world.hostile, a, roomId, mallory.userId, mallory.inRooms);
  const signer = { name: world.hostile.name, key: evil.key };
  const beside = bad.event({ type: 'm.room.topic', state_key: '', content: { topic: 'stolen' }, sender: owner.userId, home: world.hostile.name, origin_server_ts: Date.now() + 60_000 }, signer);
  await owner.publish(owner.next({ revoke: [world.hostile.name] }), a);
  await shows();
  expect((await world.hostile.send(a, [wire(beside)]))[beside.eventId]).toBeDefined();
  const state: Json[] = await alice.request('GET', `${path(roomId)}/state`);
  const told = [...state.filter((event) => event.type !== 'm.room.topic').map((event) => event.event_id), beside.eventId];
  world.hostile.on(/get_missing_events/, () => ({ events: [] }));
  world.hostile.on(/\/event\//, (uri) => ({ pdus: uri.includes(beside.eventId) ? [wire(beside)] : [] }));
  world.hostile.on(/state_ids/, () => ({ pdu_ids: told, auth_chain_ids: told }));
  const message = bad.message('look', { prev_events: [nowhere('c')] });
  await world.hostile.send(a, [wire(message)]);
  expect(await world.isShown(roomId, message)).toBe(true);
  expect((await world.state(alice, roomId, 'm.room.topic')).topic).toBe('as it stands');
});
