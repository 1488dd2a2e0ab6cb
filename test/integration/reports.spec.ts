import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let admin: TestClient;
let roomId: string;
let eventId: string;
beforeAll(async () => {
  net = await Network.start();
  [alice, bob, admin] = await Promise.all([net.client().register('alice'), net.client().register('bob'), net.administrator()]);
  roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
  eventId = (await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/1`, { msgtype: 'm.text', body: 'rude' })).event_id;
});
afterAll(() => net.stop());

const reports = (kind: string, query = {}) => admin.request('GET', `/_synapse/admin/v1/${kind}`, undefined, { query });

it('events are reported by those who are in their room', async () => {
  await alice.request('POST', `${roomPath(roomId)}/report/${eventId}`, { reason: 'it is rude', score: -50 });
  await alice.request('POST', `${roomPath(roomId)}/report/${eventId}`, {});
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', `${roomPath(roomId)}/report/${eventId}`, { reason: 'so they say' });
  await alice.expectError(404, 'M_NOT_FOUND', 'POST', `${roomPath(roomId)}/report/$made_up`, { reason: 'x' });
  const { event_reports: [last, first], total } = await reports('event_reports');
  expect(total).toBe(2);
  expect(first).toEqual({ id: first.id, received_ts: expect.any(Number), room_id: roomId, event_id: eventId, user_id: alice.userId, sender: alice.userId, reason: 'it is rude', score: -50 });
  expect(last).toMatchObject({ reason: null, score: null });
  const page = await reports('event_reports', { limit: 1, dir: 'f' });
  expect(page).toMatchObject({ event_reports: [{ id: first.id }], next_token: 1 });
  expect((await reports('event_reports', { user_id: bob.userId })).total).toBe(0);
  await admin.request('DELETE', `/_synapse/admin/v1/event_reports/${first.id}`);
  await admin.expectError(404, 'M_NOT_FOUND', 'GET', `/_synapse/admin/v1/event_reports/${first.id}`);
});

it('rooms and users are, by everybody', async () => {
  await bob.request('POST', `${roomPath(roomId)}/report`, { reason: 'spam' });
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', `${roomPath('!none:example.org')}/report`, { reason: 'spam' });
  await bob.request('POST', `/v3/users/${encodeURIComponent(alice.userId)}/report`, { reason: '' });
  await bob.request('POST', '/v3/users/@far:away.example.org/report', { reason: 'spam' });
  await bob.expectError(404, 'M_NOT_FOUND', 'POST', `/v3/users/${encodeURIComponent(alice.userId.replace('alice', 'nobody'))}/report`, { reason: 'x' });
  expect(await reports('room_reports')).toMatchObject({ room_reports: [{ room_id: roomId, user_id: bob.userId, reason: 'spam' }], total: 1 });
  expect((await reports('user_reports')).user_reports.map((one: { sender: string }) => one.sender)).toEqual(['@far:away.example.org', alice.userId]);
  const { room_reports: [{ id }] } = await reports('room_reports');
  await admin.expectError(404, 'M_NOT_FOUND', 'GET', `/_synapse/admin/v1/user_reports/${id}`);
});

it.each([[{}], [{ reason: 7 }], [{ reason: 'x'.repeat(4_097) }], [{ reason: 'a\u0000b' }]])('a reason is a text of 4 KiB at most: not %j', async (body) => {
  const answer = await bob.raw('POST', `${roomPath(roomId)}/report`, body);
  expect(answer.status).toBe(400);
});

it('of one account are the last two hundred', async () => {
  const carol = await net.client().register('carol');
  for (let n = 1; n <= 201; n++) await carol.request('POST', `/v3/users/${encodeURIComponent(alice.userId)}/report`, { reason: `${n}` });
  const { user_reports: kept, total } = await reports('user_reports', { user_id: carol.userId, dir: 'f', limit: 1 });
  expect([total, kept[0].reason]).toEqual([200, '2']);
});

it('are nobody else’s business', async () => {
  for (const kind of ['event_reports', 'room_reports', 'user_reports']) await bob.expectError(403, 'M_FORBIDDEN', 'GET', `/_synapse/admin/v1/${kind}`);
});
