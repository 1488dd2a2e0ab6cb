import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json } from '../network/test-client.js';
import { bodies, createRoom, filter, find, join, leave, say, setState, stateOf, sync } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let users = 0;
const user = (name = 'user') => net.client().register(`${name}${++users}`);

describe('memberships', () => {
  it('shows an invitation with stripped state, then the room in full, with a timeline that starts anew', async () => {
    const [alice, bob] = [await user(), await user()];
    const start = (await sync(bob)).next_batch;
    const roomId = await createRoom(alice, { name: 'Club', invite: [bob.userId] });
    const invited = await sync(bob, { since: start });
    const { events } = invited.rooms.invite[roomId].invite_state;
    expect(find(events, 'm.room.name', '').content).toEqual({ name: 'Club' });
    expect(find(events, 'm.room.member', bob.userId).content.membership).toBe('invite');
    expect(Object.keys((await sync(bob)).rooms.invite)).toEqual([roomId]);
    await join(bob, roomId);
    const { rooms } = await sync(bob, { since: invited.next_batch });
    expect(rooms.invite).toBeUndefined();
    const joined = rooms.join[roomId];
    const everything = [...joined.state.events, ...joined.timeline.events];
    expect(find(everything, 'm.room.create', '')).toBeDefined();
    expect(find(joined.timeline.events, 'm.room.member', bob.userId)).toBeDefined();
    expect(joined.timeline.limited).toBe(true);
    expect(joined.summary).toMatchObject({ 'm.joined_member_count': 2, 'm.invited_member_count': 0 });
  });

  it('shows a left room up to the leave, and nothing of it later', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    await join(bob, roomId);
    const { next_batch: since } = await sync(bob);
    await say(alice, roomId, 'before');
    await leave(bob, roomId);
    await say(alice, roomId, 'after');
    await setState(alice, roomId, 'm.room.name', { name: 'Secret' });
    const { rooms, next_batch: next } = await sync(bob, { since });
    expect(rooms.join).toBeUndefined();
    expect(bodies(rooms.leave[roomId])).toEqual(['before']);
    expect(rooms.leave[roomId].timeline.events.at(-1).content.membership).toBe('leave');
    expect(JSON.stringify(rooms)).not.toContain('Secret');
    expect((await sync(bob, { since: next })).rooms).toBeUndefined();
    expect((await sync(bob)).rooms?.leave).toBeUndefined();
    const archived = (await sync(bob, { filter: filter({ room: { include_leave: true } }) })).rooms.leave[roomId];
    expect(bodies(archived)).toEqual(['before']);
    expect(JSON.stringify(archived)).not.toContain('Secret');
  });

  it('shows those who were thrown out that they were', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    await join(bob, roomId);
    await alice.request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId });
    expect((await sync(bob)).rooms.leave[roomId].timeline.events.at(-1).content.membership).toBe('ban');
  });

  it('shows a rejected invitation as left, without the state of the room', async () => {
    const [alice, bob] = [await user(), await user()];
    const start = (await sync(bob)).next_batch;
    const roomId = await createRoom(alice, { name: 'Secret', invite: [bob.userId] });
    await leave(bob, roomId);
    const left = (await sync(bob, { since: start })).rooms.leave[roomId];
    expect(left.timeline.events.at(-1).content.membership).toBe('leave');
    expect(left.state.events).toEqual([]);
    expect(JSON.stringify(left)).not.toContain('Secret');
  });

  it('shows a room that was joined and left in one go with its state', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat', name: 'Club' });
    const { next_batch: since } = await sync(bob);
    await join(bob, roomId);
    await leave(bob, roomId);
    const left = (await sync(bob, { since })).rooms.leave[roomId];
    expect(find([...left.state.events, ...left.timeline.events], 'm.room.name', '').content.name).toBe('Club');
  });

  it('shows a room that was left and joined again as joined, in full', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat', name: 'Club' });
    await join(bob, roomId);
    const { next_batch: since } = await sync(bob);
    await leave(bob, roomId);
    await setState(alice, roomId, 'm.room.topic', { topic: 'Meanwhile' });
    await join(bob, roomId);
    const { rooms } = await sync(bob, { since });
    expect(rooms.leave).toBeUndefined();
    const events = [...rooms.join[roomId].state.events, ...rooms.join[roomId].timeline.events];
    expect(find(events, 'm.room.topic', '').content.topic).toBe('Meanwhile');
    expect(find(events, 'm.room.name', '').content.name).toBe('Club');
  });

  it('hides what happened before the join where the history visibility says so, but not the state', async () => {
    const [alice, bob] = [await user(), await user()];
    for (const [visibility, seen] of [['joined', ['after']], ['shared', ['before', 'after']], ['invited', ['invited', 'after']]] as const) {
      const roomId = await createRoom(alice, {
        preset: 'private_chat', name: 'Club', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
      });
      await say(alice, roomId, 'before');
      await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
      if (visibility === 'invited') await say(alice, roomId, 'invited');
      await join(bob, roomId);
      await say(alice, roomId, 'after');
      const joined = (await sync(bob)).rooms.join[roomId];
      expect(bodies(joined)).toEqual(seen);
      expect(find([...joined.state.events, ...joined.timeline.events], 'm.room.name', '').content.name).toBe('Club');
    }
  });

  it('tells the reader its membership at each event', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, {
      preset: 'public_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'world_readable' } }],
    });
    await say(alice, roomId, 'before');
    await join(bob, roomId);
    const joined = (await sync(bob)).rooms.join[roomId];
    expect(joined.timeline.events.at(-1).unsigned.membership).toBe('join');
    expect(joined.timeline.events.find((event: Json) => event.content.body === 'before').unsigned.membership).toBe('leave');
  });
});

describe('lazy loading', () => {
  const lazy = (limit = 10) => filter({ room: { state: { lazy_load_members: true }, timeline: { limit } } });

  it('sends the members that the timeline needs, and each once', async () => {
    const [alice, bob, carol] = [await user(), await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat', name: 'Club' });
    await join(bob, roomId);
    await join(carol, roomId);
    await say(alice, roomId, 'x');
    const members = (section: Json) => section.state.events.filter((event: Json) => event.type === 'm.room.member').map((event: Json) => event.state_key).sort();
    const first = await sync(carol, { filter: lazy(1) });
    expect(members(first.rooms.join[roomId])).toEqual([alice.userId, carol.userId].sort());
    await say(bob, roomId, 'y');
    const second = await sync(carol, { since: first.next_batch, filter: lazy() });
    expect(members(second.rooms.join[roomId])).toEqual([bob.userId]);
    // The answer was lost: the same token is asked again.
    expect(members((await sync(carol, { since: first.next_batch, filter: lazy() })).rooms.join[roomId])).toEqual([bob.userId]);
    await say(bob, roomId, 'z');
    const third = await sync(carol, { since: second.next_batch, filter: lazy() });
    expect(members(third.rooms.join[roomId])).toEqual([]);
    const redundant = filter({ room: { state: { lazy_load_members: true, include_redundant_members: true } } });
    expect(members((await sync(carol, { since: second.next_batch, filter: redundant })).rooms.join[roomId])).toEqual([bob.userId]);
  });

  it('sends the heroes of a room without a name', async () => {
    const [alice, bob, carol] = [await user(), await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    await join(bob, roomId);
    await join(carol, roomId);
    await say(carol, roomId, 'x');
    const joined = (await sync(carol, { filter: lazy(1) })).rooms.join[roomId];
    expect(joined.summary).toEqual({ 'm.heroes': [alice.userId, bob.userId], 'm.joined_member_count': 3, 'm.invited_member_count': 0 });
    expect(stateOf(joined, 'm.room.member', bob.userId)).toBeDefined();
    await setState(alice, roomId, 'm.room.name', { name: 'Club' });
    expect((await sync(carol, { filter: lazy(1) })).rooms.join[roomId].summary['m.heroes']).toBeUndefined();
  });
});

describe('device lists', () => {
  it('names those who came to share a room and those who share none any more', async () => {
    const [alice, bob] = [await user(), await user()];
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    const start = (await sync(alice)).next_batch;
    await join(bob, roomId);
    const came = await sync(alice, { since: start });
    expect(came.device_lists.changed).toContain(bob.userId);
    await leave(bob, roomId);
    expect((await sync(alice, { since: came.next_batch })).device_lists.left).toEqual([bob.userId]);
  });
});
