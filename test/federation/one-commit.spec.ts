import { Bus, type MembershipChange } from '../../apps/homeserver/src/bus/bus.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { createRoom, join, reads, say, texts } from '../homes/talk.js';
import { Network } from '../network/network.js';
import { inOneCommit, membership, message, type EventOf } from '../network/one-commit.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// Requests of one moment share a commit. Who changes between them what others may see changes it for what comes after him in it.
let net: Network;
let a: TestServer;
let b: TestServer;
let alice: TestClient;
let people = 0;
const person = (server: TestServer) => net.client(server).register(`user${++people}`);

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  alice = await net.client(a).register('alice');
});
afterAll(() => net.stop());

const closedRoom = (visibility = 'joined') => createRoom(alice, {
  room_version: '12', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: visibility } }],
});
/** Texts of a room that the first sync shows. */
const shown = async (client: TestClient, roomId: string): Promise<string[]> =>
  (await client.request('GET', '/v3/sync')).rooms.join[roomId].timeline.events.flatMap((event: Json) => event.content.body ?? []);
const visibility = (value: string): EventOf =>
  ({ sender: alice.userId, type: 'm.room.history_visibility', stateKey: '', content: { history_visibility: value } });

describe('several changes in one commit', () => {
  it('hide from somebody who leaves and comes again what is said meanwhile', async () => {
    const roomId = await closedRoom();
    const bob = await person(a);
    await inOneCommit(a, roomId, [
      membership(bob.userId, 'join'), message(alice.userId, 'one'), membership(bob.userId, 'leave'), message(alice.userId, 'secret'),
      membership(bob.userId, 'join'), message(alice.userId, 'two'),
    ]);
    expect(await shown(bob, roomId)).toEqual(['one', 'two']);
    expect(await texts(bob, roomId)).toEqual(['two', 'one']);
    const memberships = (await bob.request('GET', '/v3/sync')).rooms.join[roomId].timeline.events
      .filter((event: { state_key?: string }) => event.state_key === bob.userId).map((event: { unsigned: object }) => event.unsigned);
    expect(memberships).toMatchObject([{ membership: 'join' }, { membership: 'leave', prev_content: { membership: 'join' } }, { membership: 'join', prev_content: { membership: 'leave' } }]);
    expect(memberships[0]).not.toHaveProperty('prev_content');
  });

  it('hide what was said while the history was closed', async () => {
    const roomId = await closedRoom('shared');
    await inOneCommit(a, roomId, [
      message(alice.userId, 'one'), visibility('joined'), message(alice.userId, 'secret'), visibility('shared'), message(alice.userId, 'two'),
    ]);
    const bob = await person(a);
    await join(bob, roomId, a);
    expect(await shown(bob, roomId)).toEqual(['one', 'two']);
    expect(await texts(bob, roomId)).toEqual(['two', 'one']);
  });

  it('are told one by one', async () => {
    const roomId = await closedRoom();
    const bob = await person(a);
    const told: MembershipChange[] = [];
    const stop = a.get(Bus).subscribe((item) => {
      if (item.kind === 'room' && item.roomId === roomId) told.push(...item.membershipChanges);
    });
    await inOneCommit(a, roomId, [membership(bob.userId, 'join'), membership(bob.userId, 'leave'), membership(bob.userId, 'join')]);
    stop();
    expect(told.map(({ previous, membership: now }) => [previous, now])).toEqual([[null, 'join'], ['join', 'leave'], ['leave', 'join']]);
  });

  it('keep from the server of somebody who was thrown out what is said after it', async () => {
    const [roomId, other] = [await closedRoom(), await createRoom(alice, { room_version: '12' })];
    const bob = await person(b);
    await join(bob, roomId, a);
    await join(bob, other, a);
    await say(alice, roomId, 'before');
    await reads(bob, roomId, 'before');
    await inOneCommit(a, roomId, [
      message(alice.userId, 'one'),
      { sender: alice.userId, type: 'm.room.member', stateKey: bob.userId, content: { membership: 'leave' } },
      message(alice.userId, 'secret'),
    ]);
    await say(alice, other, 'after');
    await reads(bob, other, 'after');
    const stored = await b.get(Database).query<{ json: string }>(statement('test.events_of_room', 'SELECT json FROM events JOIN rooms USING (room_nid) WHERE room_id = $1'), [roomId]);
    expect(stored.filter(({ json }) => json.includes('"one"'))).toHaveLength(1);
    expect(stored.filter(({ json }) => json.includes('"secret"'))).toHaveLength(0);
  });
});
