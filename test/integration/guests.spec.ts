import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let guest: TestClient;
beforeAll(async () => {
  net = await Network.start();
  alice = await net.client().register('alice');
  const session = await net.client().request('POST', '/v3/register?kind=guest', {}, { anonymous: true });
  guest = net.client();
  Object.assign(guest, { accessToken: session.access_token, userId: session.user_id, deviceId: session.device_id });
});
afterAll(() => net.stop());

const access = (roomId: string, value: string) =>
  alice.request('PUT', `${roomPath(roomId)}/state/m.room.guest_access/`, { guest_access: value });
const membership = async (roomId: string) =>
  (await alice.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(guest.userId)}`)).membership;

it('lets guests into rooms that take them, and has them leave when the room stops to', async () => {
  const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
  await guest.expectError(403, 'M_GUEST_ACCESS_FORBIDDEN', 'POST', `${roomPath(roomId)}/join`, {});
  await access(roomId, 'can_join');
  await guest.request('POST', `${roomPath(roomId)}/join`, {});
  expect(await membership(roomId)).toBe('join');
  await access(roomId, 'forbidden');
  await eventually(async () => (await membership(roomId)) === 'leave');
  const joined = await alice.request('GET', `${roomPath(roomId)}/joined_members`);
  expect(Object.keys(joined.joined)).toEqual([alice.userId]);
});
