import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import { createRoom, join, sync } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
}, 90_000);
afterAll(() => net?.stop());

const ROOMS = 20;
const LEAVES = 6;

it.each(['join', 'invite'])('who leaves while he is banned is told what the room says (%s)', async (membership) => {
  const [alice, bob] = [await net.client().register(`alice-${membership}`), await net.client().register(`bob-${membership}`)];
  const rooms: string[] = [];
  for (let i = 0; i < ROOMS; i++) {
    const roomId = await createRoom(alice, { preset: 'public_chat' });
    if (membership === 'join') await join(bob, roomId);
    else await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
    rooms.push(roomId);
  }
  const leave = (roomId: string): Promise<unknown> => bob.request('POST', `${roomPath(roomId)}/leave`, {});
  await Promise.all(rooms.flatMap((roomId) => [
    leave(roomId), alice.request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId }), ...Array.from({ length: LEAVES }, () => leave(roomId)),
  ]));
  const left = (await sync(bob, { filter: '{"room":{"include_leave":true}}' })).rooms.leave;
  const told = rooms.map((roomId) => left[roomId].timeline.events.at(-1).content.membership);
  expect(told).toEqual(rooms.map(() => 'ban'));
}, 90_000);
