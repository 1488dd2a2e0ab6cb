import { CompiledFilter } from '../../apps/homeserver/src/sync/filter/compiled-filter.js';
import { SyncEngine } from '../../apps/homeserver/src/sync/engine/sync-engine.js';
import { readTokenText, type RoomResume, type SyncPositions } from '../../apps/homeserver/src/sync/sync-token.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

const room = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;
const createRoom = async (client: TestClient, body: object = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${room(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
const bodies = (section: Json): string[] => section.timeline.events.flatMap((event: Json) => event.content.body ?? []);

/** What a client gets that comes from another home with these resume points. */
async function resume(client: TestClient, positions: SyncPositions, rooms: Record<string, RoomResume>): Promise<Json> {
  const answer = await net.server('a').get(SyncEngine).answer({
    userId: client.userId,
    deviceId: client.deviceId,
    since: { positions, resume: { rooms: new Map(Object.entries(rooms)) } },
    fullState: false,
    useStateAfter: false,
    filter: new CompiledFilter({}),
    frontier: false,
  });
  return JSON.parse(answer.text);
}

const positionsOf = (token: string): SyncPositions => {
  const parsed = readTokenText(token.slice(0, token.lastIndexOf('~')));
  if (parsed?.kind !== 'sync') throw new Error('not a plain token');
  return parsed.positions;
};

describe('a sync that resumes after another home', () => {
  it('starts each room where it says and leaves out what the client has', async () => {
    const alice = await net.client().register('alice');
    const [seen, unknown] = [await createRoom(alice, { name: 'Seen' }), await createRoom(alice, { name: 'Unknown' })];
    const start = positionsOf((await alice.request('GET', '/v3/sync')).next_batch);
    await say(alice, seen, 'one');
    const two = await say(alice, seen, 'two');
    await alice.request('PUT', `${room(seen)}/state/m.room.topic/`, { topic: 'New' });
    await say(alice, seen, 'three');
    const { rooms, next_batch: next } = await resume(alice, start, { [seen]: { fromPos: start.events, exclude: new Set([two]) } });
    expect(bodies(rooms.join[seen])).toEqual(['one', 'three']);
    expect(rooms.join[seen].state.events).toEqual([]);
    expect(rooms.join[seen].timeline.limited).toBe(false);
    // A room without a resume point is new to the client.
    const all = [...rooms.join[unknown].state.events, ...rooms.join[unknown].timeline.events];
    expect(all.find((event: Json) => event.type === 'm.room.name').content.name).toBe('Unknown');
    expect((await alice.request('GET', '/v3/sync', undefined, { query: { since: next } })).rooms).toBeUndefined();
  });

  it('leaves out rooms in which the client has everything', async () => {
    const alice = await net.client().register('bob');
    const roomId = await createRoom(alice);
    const last = await say(alice, roomId, 'x');
    const now = positionsOf((await alice.request('GET', '/v3/sync')).next_batch);
    expect((await resume(alice, now, { [roomId]: { fromPos: now.events, exclude: new Set() } })).rooms).toBeUndefined();
    expect((await resume(alice, now, { [roomId]: { fromPos: now.events - 1, exclude: new Set([last]) } })).rooms).toBeUndefined();
  });
});
