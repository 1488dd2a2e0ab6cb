import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { roomPath, shownAs } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${body}`, { msgtype: 'm.text', body })).event_id;
const bodies = async (client: TestClient, roomId: string): Promise<string[]> => {
  const filter = JSON.stringify({ types: ['m.room.message'] });
  const { chunk } = await client.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 50, filter } });
  return shownAs(chunk);
};
const shows = (client: TestClient, roomId: string, body: string): Promise<unknown> =>
  eventually(async () => (await bodies(client, roomId)).includes(body));
const topic = async (client: TestClient, roomId: string): Promise<Json> =>
  (await client.request('GET', `${roomPath(roomId)}/state/m.room.topic/`)).topic;

describe.each(['12', 'io.partyline.1'])('rooms of version %s after a restore', (version) => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  let roomId: string;
  beforeEach(async () => {
    net = await Network.start({ servers: ['a', 'b'] });
    if (version === '12') alice = await net.client('a').register('alice');
    else alice = (await Person.named('alice', net.server('a'))).at(net.server('a'));
    bob = version === '12' ? await net.client('b').register('bob') : (await Person.named('bob', net.server('b'))).at(net.server('b'));
    roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', room_version: version })).room_id;
    await bob.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: alice.server.name } });
  });
  afterEach(() => net.stop());

  it('get back what others have, its own events too, before anybody speaks', async () => {
    await say(alice, roomId, 'before');
    await shows(bob, roomId, 'before');
    const backup = await net.backUp('a');
    await say(alice, roomId, 'mine');
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic: 'since then' });
    await shows(bob, roomId, 'mine');
    await say(bob, roomId, 'yours');
    await shows(alice, roomId, 'yours');
    await eventually(async () => (await topic(bob, roomId)) === 'since then');
    await net.restore('a', backup);
    for (const body of ['mine', 'yours']) await shows(alice, roomId, body);
    expect(await topic(alice, roomId)).toBe('since then');
    expect((await bodies(alice, roomId)).length).toBe(3);
    await say(alice, roomId, 'after');
    await shows(bob, roomId, 'after');
    await say(bob, roomId, 'answer');
    await shows(alice, roomId, 'answer');
    expect((await bodies(bob, roomId)).toSorted()).toEqual((await bodies(alice, roomId)).toSorted());
  });

  it('are caught up when the others come back', async () => {
    const backup = await net.backUp('a');
    await say(bob, roomId, 'missed');
    await shows(alice, roomId, 'missed');
    await net.server('b').stop();
    await net.restore('a', backup);
    // On the old end, while nobody answers.
    await say(alice, roomId, 'beside');
    await net.server('b').start();
    // B says nothing but that it is there.
    await shows(bob, roomId, 'beside');
    await shows(alice, roomId, 'missed');
    await say(bob, roomId, 'both');
    for (const body of ['beside', 'missed', 'both']) await shows(alice, roomId, body);
    expect((await bodies(bob, roomId)).toSorted()).toEqual((await bodies(alice, roomId)).toSorted());
  });
});
