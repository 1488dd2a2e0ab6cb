import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestServer } from '../network/test-server.js';
import { isComplete, twoHomes } from './two-homes.js';

let net: Network;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
});
afterAll(() => net.stop());

describe('a room that is upgraded by somebody with two homes', () => {
  it('goes on at the other home, with what was set for it, also where that was away meanwhile', async () => {
    const person = await twoHomes('alice', a, b);
    const [here, there] = [person.at(a), person.at(b)];
    const roomId = (await here.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', name: 'Ours' })).room_id;
    const tags = (room: string): string => `/v3/user/${encodeURIComponent(person.userId)}/rooms/${encodeURIComponent(room)}/tags`;
    await here.request('PUT', `${tags(roomId)}/m.favourite`, { order: 1 });
    await isComplete(person, b);
    await eventually(async () => (await there.request('GET', tags(roomId))).tags['m.favourite']);
    await b.crash();
    const next = (await here.request('POST', `${roomPath(roomId)}/upgrade`, { new_version: 'io.partyline.1' })).replacement_room;
    expect((await here.request('GET', tags(next))).tags).toEqual({ 'm.favourite': { order: 1 } });
    await b.start();
    await eventually(async () => (await there.request('GET', tags(next))).tags['m.favourite'], 30_000);
    await eventually(async () => (await there.request('GET', '/v3/joined_rooms')).joined_rooms.includes(next), 30_000);
    await eventually(async () => (await there.request('GET', `${roomPath(roomId)}/state/m.room.tombstone/`)).replacement_room === next, 30_000);
    await a.crash();
    await there.request('PUT', `${roomPath(next)}/state/m.room.name/`, { name: 'Still ours' });
    expect((await there.request('GET', `${roomPath(next)}/state/m.room.create/`)).predecessor.room_id).toBe(roomId);
    const last = (await there.request('POST', `${roomPath(next)}/upgrade`, { new_version: 'io.partyline.1' })).replacement_room;
    expect(await there.request('GET', `${roomPath(last)}/state/m.room.name/`)).toEqual({ name: 'Still ours' });
    await a.start();
  });
});
