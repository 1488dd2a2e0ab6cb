import { eventually } from '../network/eventually.js';
import { HostilePerson } from './hostile-person.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;

beforeAll(async () => {
  world = await HostileWorld.start();
});
afterAll(() => world?.stop());

// More than are looked at for one whom the server serves, if there was such a number.
const CROWD = 60;

describe('a crowd of members who name a server that never agreed to it', () => {
  it('keeps nothing of a room from those who live there', async () => {
    const { hostile, alice, bob, a, b } = world;
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat' });
    for (let i = 0; i < CROWD; i++) {
      const one = new HostilePerson(`crowd${i}`, hostile);
      const named = one.entry(hostile, { server_name: b.name, accepted: { 'ed25519:x': 'A'.repeat(86) } });
      one.record = one.next({ add: [named] });
      await HostileRoom.join(hostile, a, roomId, one.userId, one.inRooms);
    }
    await bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
    const { event_id: eventId } = await alice.request('PUT', `${path(roomId)}/send/m.room.message/crowd`, { body: 'for bob', msgtype: 'm.text' });
    await eventually(async () => (await bob.raw('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).status === 200);
  }, 90_000);

  it('holds up nothing else while it cannot be told', async () => {
    const { hostile, alice, a } = world;
    const named = await HostileServer.start();
    try {
      named.on(/v1\/send\//, () => ({ pdus: {} }));
      const { room_id: own } = await alice.request('POST', '/v3/createRoom', { room_version: '12', preset: 'public_chat' });
      await HostileRoom.join(named, a, own);
      // From now on it tells nobody of its keys, so that one which is made up might be a new one.
      named.refusesKeys = true;
      const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat' });
      const one = new HostilePerson('unknown', hostile);
      one.record = one.next({ add: [one.entry(hostile, { server_name: named.name, accepted: { 'ed25519:new': 'A'.repeat(86) } })] });
      await HostileRoom.join(hostile, a, roomId, one.userId, one.inRooms);
      await alice.request('PUT', `${path(roomId)}/send/m.room.message/unknown`, { body: 'for whom?', msgtype: 'm.text' });
      await alice.request('PUT', '/v3/sendToDevice/org.example.test/unknown', { messages: { [one.userId]: { '*': { to: 'whom' } } } });
      await alice.request('PUT', `${path(own)}/send/m.room.message/known`, { body: 'for a member', msgtype: 'm.text' });
      await eventually(() => JSON.stringify(named.requests).includes('for a member'));
      expect(JSON.stringify(named.requests)).not.toMatch(/for whom|to.*whom/);
    } finally {
      named.hangUp();
      await named.stop();
    }
  }, 60_000);
});
