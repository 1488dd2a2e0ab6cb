import { RoomRegistry } from '../../apps/homeserver/src/rooms/room-registry.js';
import { EventStatus } from '../../apps/homeserver/src/rooms/timeline/stored-event.js';
import type { RoomEvent } from '../../libs/federation/src/index.js';
import { eventually } from '../network/eventually.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let a: TestServer;
beforeAll(async () => {
  world = await HostileWorld.start();
  ({ a } = world);
});
afterAll(() => world?.stop());

const endsOf = async (roomId: string): Promise<readonly string[]> => (await a.get(RoomRegistry).find(roomId))!.extremities.map((end) => end.eventId);

describe.each(['11', 'io.partyline.1'])('ends of a room of version %s', (version) => {
  let roomId: string;
  let bad: HostileRoom;
  const joined = (server: HostileServer) => {
    const mallory = new HostilePerson('mallory', server);
    return version.startsWith('io.') ? { userId: mallory.userId, joins: mallory.inRooms } : { userId: mallory.userId, joins: {} };
  };
  beforeEach(async () => {
    ({ roomId, bad } = await world.sharedRoom(version, joined(world.hostile)));
  });

  const beside = (room: HostileRoom, count: number): RoomEvent[] =>
    Array.from({ length: count }, (_, i) => room.event({ type: 'm.room.member', state_key: room.userId, content: { ...room.joinContent, displayname: `${i}` } }));

  it('are few however many a member makes, and are bound though nobody speaks', async () => {
    const made = beside(bad, 150);
    const refused: RoomEvent[] = [];
    for (let at = 0; at < made.length; at += 50) {
      const sent = made.slice(at, at + 50);
      const results = await world.hostile.send(a, sent.map(wire));
      expect((await endsOf(roomId)).length).toBeLessThanOrEqual(10);
      refused.push(...sent.filter((event) => results[event.eventId]?.error !== undefined));
    }
    // Of one transaction ten are taken at most: nothing comes between its events.
    expect(refused.length).toBeGreaterThanOrEqual(40);
    await eventually(async () => (await endsOf(roomId)).length < 10);
    // What was refused was to come again.
    await eventually(async () => {
      await world.hostile.send(a, [wire(refused[0]!)]);
      return (await world.statusOf(refused[0]!)) === EventStatus.accepted;
    });
    await world.expectGoodServersAgree(roomId);
  });

  it('are no more than one event names, however many servers make them, and also by joins', async () => {
    const servers = await Promise.all(Array.from({ length: 25 }, () => HostileServer.start()));
    try {
      const rooms: HostileRoom[] = [];
      for (const server of servers) {
        const { userId, joins } = joined(server);
        rooms.push(await HostileRoom.join(server, a, roomId, userId, joins));
      }
      for (const room of rooms) room.latest = bad.latest;
      await Promise.all(rooms.map(async (room) => {
        const [first, ...rest] = beside(room, 6);
        const uri = `/_matrix/federation/v2/send_join/${encodeURIComponent(roomId)}/${encodeURIComponent(first!.eventId)}`;
        await room.server.raw(a, 'PUT', uri, wire(first!));
        await room.server.send(a, rest.map(wire));
        expect((await endsOf(roomId)).length).toBeLessThanOrEqual(20);
      }));
      await world.expectGoodServersAgree(roomId);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  });

  it('are not those that come after what names them', async () => {
    const late = bad.follow(bad.message('late'));
    const after = bad.follow(bad.message('after'));
    world.hostile.on(/get_missing_events/, () => ({ events: [] }));
    world.hostile.on(/state_ids/, () => ({ pdu_ids: [...bad.state.values()], auth_chain_ids: [] }));
    await world.hostile.send(a, [wire(after)]);
    expect(await world.isShown(roomId, after)).toBe(true);
    await world.hostile.send(a, [wire(late)]);
    expect(await world.isShown(roomId, late)).toBe(true);
    expect(await endsOf(roomId)).toEqual([after.eventId]);
    await world.expectGoodServersAgree(roomId);
  });

  it('are kept for who had to wait, however quick others are', async () => {
    const servers = await Promise.all(Array.from({ length: 25 }, () => HostileServer.start()));
    try {
      const rooms: HostileRoom[] = [];
      for (const server of servers) {
        const { userId, joins } = joined(server);
        rooms.push(await HostileRoom.join(server, a, roomId, userId, joins));
      }
      for (const room of rooms) room.latest = bad.latest;
      const fill = (): Promise<unknown> => Promise.all(rooms.slice(1).map((room) => room.server.send(a, beside(room, 2).map(wire))));
      const [late] = beside(rooms[0]!, 1);
      const sendLate = async (): Promise<boolean> => (await servers[0]!.send(a, [wire(late!)]))[late!.eventId]?.error === undefined;
      // Its ends may just have been bound: then there is room for anybody.
      let isTaken = false;
      for (let i = 0; i < 3 && !isTaken; i++) {
        await fill();
        isTaken = await sendLate();
        await eventually(async () => (await endsOf(roomId)).length < 10, 60_000);
      }
      expect(isTaken || (await fill(), await sendLate())).toBe(true);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }, 240_000);

  it('are not those that an event leads to by others that were not accepted', async () => {
    const levels = await world.state(world.alice, roomId, 'm.room.power_levels');
    await world.alice.request('PUT', `${path(roomId)}/state/m.room.power_levels`, { ...levels, users: { ...levels.users, [world.bob.userId]: 50 }, events_default: 50 });
    const [first] = beside(bad, 1);
    await world.hostile.send(a, [wire(first!)]);
    expect(await endsOf(roomId)).toContain(first!.eventId);
    const muted = bad.message('muted', { prev_events: [first!.eventId] });
    await world.hostile.send(a, [wire(muted)]);
    expect(await world.statusOf(muted)).toBe(EventStatus.softFailed);
    const last = bad.event({ type: 'm.room.member', state_key: bad.userId, content: { ...bad.joinContent, displayname: 'last' }, prev_events: [muted.eventId] });
    await world.hostile.send(a, [wire(last)]);
    const ends = await endsOf(roomId);
    expect(ends).toContain(last.eventId);
    expect(ends).not.toContain(first!.eventId);
    await world.expectGoodServersAgree(roomId);
  });
});
