import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let carol: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, carol] = [await net.client('a').register('alice'), await net.client('b').register('carol')];
});
afterAll(() => net.stop());

const room = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const createRoom = async (client: TestClient, body: object): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
const joinVia = (client: TestClient, roomId: string, server: string) =>
  client.request('POST', `/v3/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(net.server(server).name)}`, {});
const sync = (client: TestClient, query: Record<string, string | number> = {}): Promise<Json> => client.request('GET', '/v3/sync', undefined, { query });
const bodies = (section: Json): string[] => section.timeline.events.flatMap((event: Json) => event.content.body ?? []);
const find = (section: Json, type: string, key: string): Json =>
  [...section.state.events, ...section.timeline.events].find((event: Json) => event.type === type && event.state_key === key);

describe.each(['11', '12', 'io.partyline.1'])('a room of another server, of version %s', (version) => {
  it('comes in full, with a timeline that says that there is more, and goes on', async () => {
    const roomId = await createRoom(alice, { room_version: version, preset: 'public_chat', name: 'Far away' });
    await say(alice, roomId, 'before');
    const { next_batch: since } = await sync(carol);
    await joinVia(carol, roomId, 'a');
    const answer = await sync(carol, { since });
    const joined = answer.rooms.join[roomId];
    expect(find(joined, 'm.room.name', '').content.name).toBe('Far away');
    expect(find(joined, 'm.room.member', alice.userId).content.membership).toBe('join');
    expect(joined.timeline.events.at(-1)).toMatchObject({ state_key: carol.userId, content: { membership: 'join' } });
    expect(joined.timeline.limited).toBe(true);
    expect(joined.summary['m.joined_member_count']).toBe(2);
    expect((await sync(carol)).rooms.join[roomId].timeline.limited).toBe(true);
    await say(alice, roomId, 'after');
    const next = await sync(carol, { since: answer.next_batch, timeout: 10_000 });
    expect(bodies(next.rooms.join[roomId])).toEqual(['after']);
    expect(next.rooms.join[roomId]).toMatchObject({ state: { events: [] }, timeline: { limited: false } });
  });

  it('shows an invitation, and that it was turned down', async () => {
    const { next_batch: since } = await sync(carol);
    const roomId = await createRoom(alice, { room_version: version, preset: 'private_chat', name: 'Secret' });
    await alice.request('POST', `${room(roomId)}/invite`, { user_id: carol.userId });
    const invited = await eventually(async () => {
      const answer = await sync(carol, { since });
      return answer.rooms?.invite?.[roomId] && answer;
    });
    const { events } = invited.rooms.invite[roomId].invite_state;
    expect(events.find((event: Json) => event.type === 'm.room.name').content.name).toBe('Secret');
    expect(events.filter((event: Json) => event.state_key === carol.userId).length).toBe(1);
    await carol.request('POST', `${room(roomId)}/leave`, {});
    const left = (await sync(carol, { since: invited.next_batch })).rooms.leave[roomId];
    expect(left.timeline.events).toMatchObject([{ type: 'm.room.member', state_key: carol.userId, content: { membership: 'leave' } }]);
    expect((await sync(carol)).rooms?.invite?.[roomId]).toBeUndefined();
  });

  it('comes in full again after it was left', async () => {
    const roomId = await createRoom(alice, { room_version: version, preset: 'public_chat', name: 'One' });
    await joinVia(carol, roomId, 'a');
    const { next_batch: since } = await sync(carol);
    await carol.request('POST', `${room(roomId)}/leave`, {});
    await eventually(async () => (await alice.request('GET', `${room(roomId)}/state/m.room.member/${encodeURIComponent(carol.userId)}`)).membership === 'leave');
    await alice.request('PUT', `${room(roomId)}/state/m.room.name/`, { name: 'Two' });
    const left = await sync(carol, { since });
    expect(JSON.stringify(left.rooms.leave[roomId])).not.toContain('Two');
    await joinVia(carol, roomId, 'a');
    for (const token of [since, left.next_batch]) {
      const { rooms } = await sync(carol, { since: token });
      expect(find(rooms.join[roomId], 'm.room.name', '').content.name).toBe('Two');
      expect(rooms.leave).toBeUndefined();
    }
  });
});
