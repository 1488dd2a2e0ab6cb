import { FederationClient } from '../../apps/homeserver/src/federation/federation-client.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { WrongClock } from '../network/travelling-clock.js';

const HOUR = 3_600_000;
let net: Network;
let alice: TestClient;
let far: TestClient;
const clock = new WrongClock();
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], clock });
  [alice, far] = await Promise.all([net.client('a').register('alice'), net.client('b').register('far')]);
});
afterAll(() => net.stop());

const send = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body })).event_id;
const near = (client: TestClient, roomId: string, ts: number, dir: 'f' | 'b'): Promise<Json> =>
  client.request('GET', `/v1/rooms/${encodeURIComponent(roomId)}/timestamp_to_event`, undefined, { query: { ts, dir } });
const nothing = (client: TestClient, roomId: string, ts: number, dir: string): Promise<Json> =>
  client.expectError(404, 'M_NOT_FOUND', 'GET', `/v1/rooms/${encodeURIComponent(roomId)}/timestamp_to_event`, undefined, { query: { ts, dir } });

/** A room with one message an hour, the first an hour after its beginning, and the times that they bear. */
async function hourly(count: number, body: Json = {}): Promise<{ roomId: string; ids: string[]; times: number[] }> {
  clock.aheadMs = -100 * HOUR;
  const roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', ...body })).room_id;
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    clock.aheadMs += HOUR;
    ids.push(await send(alice, roomId, `message ${i}`));
  }
  const events = await Promise.all(ids.map((id) => alice.request('GET', `${roomPath(roomId)}/event/${encodeURIComponent(id)}`)));
  clock.aheadMs = 0;
  return { roomId, ids, times: events.map((event) => event.origin_server_ts) };
}

describe('an event by its time', () => {
  it('is the nearest one in the direction', async () => {
    const { roomId, ids, times } = await hourly(3);
    expect(await near(alice, roomId, times[1]!, 'f')).toEqual({ event_id: ids[1], origin_server_ts: times[1] });
    expect((await near(alice, roomId, times[1]!, 'b')).event_id).toBe(ids[1]);
    expect((await near(alice, roomId, times[1]! + 1, 'f')).event_id).toBe(ids[2]);
    expect((await near(alice, roomId, times[1]! - 1, 'b')).event_id).toBe(ids[0]);
    await nothing(alice, roomId, times[2]! + 1, 'f');
    await nothing(alice, roomId, times[0]! - 2 * HOUR, 'b');
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `/v1/rooms/${encodeURIComponent(roomId)}/timestamp_to_event`, undefined, { query: { ts: 'now', dir: 'f' } });
    await alice.expectError(400, 'M_MISSING_PARAM', 'GET', `/v1/rooms/${encodeURIComponent(roomId)}/timestamp_to_event`, undefined, { query: { dir: 'f' } });
  });

  it('is shown to those who may see it', async () => {
    const { roomId, ids, times } = await hourly(2, { initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }] });
    const bob = await net.client('a').register('bob');
    await bob.expectError(403, 'M_FORBIDDEN', 'GET', `/v1/rooms/${encodeURIComponent(roomId)}/timestamp_to_event`, undefined, { query: { ts: 0, dir: 'f' } });
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
    const latest = await send(alice, roomId, 'for bob');
    const { event_id: first } = await near(bob, roomId, times[0]!, 'f');
    expect(ids).not.toContain(first);
    expect((await near(bob, roomId, Date.now() + HOUR, 'b')).event_id).toBe(latest);
    // What was before the rule is shown to all members.
    expect(ids).not.toContain((await near(bob, roomId, times[1]!, 'b')).event_id);
  });

  it.each(['f', 'b'] as const)('comes from another server where there is a nearer one (%s), with what is around it', async (dir) => {
    const { roomId, ids, times } = await hourly(30);
    await far.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    expect((await near(far, roomId, dir === 'f' ? times[4]! : times[4]! + 1, dir)).event_id).toBe(ids[4]);
    const context = await far.request('GET', `${roomPath(roomId)}/context/${encodeURIComponent(ids[4]!)}`, undefined, { query: { limit: 4 } });
    expect(context.events_before.map((event: Json) => event.event_id)).toEqual([ids[3], ids[2]]);
    expect(context.events_after.map((event: Json) => event.event_id)).toEqual([ids[5], ids[6]]);
    const { chunk } = await far.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: context.start, limit: 1 } });
    expect(chunk[0].event_id).toBe(ids[1]);
  });

  it('is told to servers of the room only', async () => {
    const { roomId, ids, times } = await hourly(2);
    const ask = (query: Record<string, string>): Promise<Json> => net.server('b').get(FederationClient).request({
      destination: net.server('a').name, method: 'GET', path: `/_matrix/federation/v1/timestamp_to_event/${encodeURIComponent(roomId)}`, query, ignoreBackoff: true,
    });
    await expect(ask({ ts: `${times[0]}`, dir: 'f' })).rejects.toMatchObject({ status: 403 });
    await far.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    expect(await ask({ ts: `${times[0]}`, dir: 'f' })).toEqual({ event_id: ids[0], origin_server_ts: times[0] });
    await expect(ask({ ts: '0', dir: 'b' })).rejects.toMatchObject({ status: 404 });
  });
});
