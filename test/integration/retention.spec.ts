import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { TestGateway } from '../network/push-gateway.js';
import { allPages, roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

const DAY = 86_400_000;
let net: Network;
let alice: TestClient;
let far: TestClient;
const clock = new TravellingClock();
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], clock });
  [alice, far] = await Promise.all([net.client('a').register('alice'), net.client('b').register('far')]);
});
afterAll(() => net.stop());

const create = async (body: Json = {}): Promise<string> => (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body })).event_id;
const keep = (roomId: string, content: Json): Promise<Json> => alice.request('PUT', `${roomPath(roomId)}/state/m.room.retention/`, content);
const join = (client: TestClient, roomId: string): Promise<Json> => client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
const shown = async (client: TestClient, roomId: string): Promise<string[]> => (await allPages(client, roomId, { dir: 'b', limit: 50 })).events.map((event) => event.event_id);
const stored = async (server: string, eventId: string): Promise<string> =>
  (await net.server(server).get(Database).query<{ json: string }>(statement('test.json', 'SELECT json FROM events WHERE event_id = $1'), [eventId]))[0]!.json;

describe('a room that keeps its messages for a while', () => {
  it('has nobody told of what it keeps no longer by a gateway that was away', async () => {
    const gateway = await TestGateway.start();
    try {
      const roomId = await create();
      const bob = await net.client('a').register('bob');
      await join(bob, roomId);
      await gateway.set(bob, 'key');
      gateway.answer = 500;
      const old = await say(alice, roomId, 'for an hour');
      await eventually(() => Promise.resolve(gateway.refused > 0));
      clock.aheadMs += DAY / 12;
      await keep(roomId, { max_lifetime: DAY / 24 });
      await eventually(async () => !(await shown(bob, roomId)).includes(old));
      gateway.answer = [];
      const next = await say(alice, roomId, 'for another hour');
      await gateway.hears('key', next);
      expect(gateway.eventsOf('key').map((one) => one.event_id)).toEqual([next]);
    } finally {
      await gateway.stop();
    }
  });

  it('shows and holds none beyond it, on any of its servers', async () => {
    const roomId = await create({ name: 'Short' });
    await join(far, roomId);
    const old = [await say(alice, roomId, 'very secret'), await say(alice, roomId, 'very secret, too')];
    await eventually(async () => (await shown(far, roomId)).includes(old[1]!));
    clock.aheadMs += 2 * DAY;
    const young = await say(alice, roomId, 'quite secret');
    expect(await shown(alice, roomId)).toEqual(expect.arrayContaining([...old, young]));
    await keep(roomId, { max_lifetime: DAY });
    for (const [label, client] of [['a', alice], ['b', far]] as const) {
      await eventually(async () => {
        const ids = await shown(client, roomId);
        return ids.includes(young) && !old.some((id) => ids.includes(id));
      });
      for (const id of old) {
        await client.expectError(404, 'M_NOT_FOUND', 'GET', `${roomPath(roomId)}/event/${encodeURIComponent(id)}`);
        expect(await stored(label, id)).not.toContain('secret');
      }
      const { timeline, state } = (await client.request('GET', '/v3/sync', undefined, { query: { filter: JSON.stringify({ room: { timeline: { limit: 50 } } }) } })).rooms.join[roomId];
      const bodies = timeline.events.map((event: Json) => event.content.body).filter(Boolean);
      expect(bodies).toEqual(['quite secret']);
      expect([...timeline.events, ...(state?.events ?? [])].some((event: Json) => event.type === 'm.room.name')).toBe(true);
    }
    const { results } = (await alice.request('POST', '/v3/search', { search_categories: { room_events: { search_term: 'secret' } } })).search_categories.room_events;
    expect(results.map((one: Json) => one.result.event_id)).toEqual([young]);
    // The room goes on, and whoever comes now follows its whole graph.
    const next = await say(far, roomId, 'still here');
    await eventually(async () => (await shown(alice, roomId)).includes(next));
    const carol = await net.client(await net.add('c')).register('carol');
    await join(carol, roomId);
    await eventually(async () => {
      const { events } = await allPages(carol, roomId, { dir: 'b', limit: 50 });
      const ids = events.map((event) => event.event_id);
      return ids.includes(next) && ids.includes(young) && !old.some((id) => ids.includes(id)) && events.at(-1).type === 'm.room.create';
    });
  });

  it('purges what is sent as soon as it has expired, also when it is the newest event', async () => {
    const roomId = await create({ initial_state: [{ type: 'm.room.retention', content: { max_lifetime: 1 } }] });
    for (const body of ['one', 'two']) {
      const sent = await say(alice, roomId, body);
      await eventually(async () => !(await shown(alice, roomId)).includes(sent));
      await eventually(async () => !(await stored('a', sent)).includes(body));
    }
    expect((await alice.request('GET', `${roomPath(roomId)}/state/m.room.retention/`)).max_lifetime).toBe(1);
  });

  it('keeps them within the limits of its server, and as long as that says where it says nothing', async () => {
    const server = await net.add('d', { retention: { lifetime: 5 * DAY, limits: [DAY, 10 * DAY] } });
    const dave = await net.client('d').register('dave');
    const [quiet, hasty] = [(await dave.request('POST', '/v3/createRoom', {})).room_id, (await dave.request('POST', '/v3/createRoom', {})).room_id];
    await dave.request('PUT', `${roomPath(hasty)}/state/m.room.retention/`, { max_lifetime: 1 });
    const [kept, short] = [await say(dave, quiet, 'kept'), await say(dave, hasty, 'short')];
    clock.aheadMs += 2 * DAY;
    await server.crash();
    await server.start();
    await eventually(async () => !(await shown(dave, hasty)).includes(short));
    expect(await shown(dave, quiet)).toContain(kept);
    clock.aheadMs += 4 * DAY;
    await server.crash();
    await server.start();
    await eventually(async () => !(await shown(dave, quiet)).includes(kept));
  });
});
