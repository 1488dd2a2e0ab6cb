import { Destinations } from '../../apps/homeserver/src/federation/outgoing/destinations.js';
import { LinkedNetwork } from '../homes/linked-network.js';
import { createRoom, join, reads, say, settles, texts } from '../homes/talk.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

let network: LinkedNetwork;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let alice: TestClient;
let bob: TestClient;
let carol: TestClient;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
  [alice, bob, carol] = await Promise.all([network.net.client(a).register('alice'), network.net.client(b).register('bob'), network.net.client(c).register('carol')]);
});
afterAll(() => network.stop());

describe.each(['11', 'io.partyline.1'])('a server that comes into a room of version %s', (version) => {
  it('gets what others said before they knew of it, and who let it in did not know', async () => {
    const roomId = await createRoom(alice, { room_version: version });
    await join(bob, roomId, a);
    await say(bob, roomId, 'before');
    await reads(alice, roomId, 'before');
    network.link(a, b).set('refused');
    try {
      for (const text of ['one', 'two']) await say(alice, roomId, text);
      await join(carol, roomId, b);
      await settles(async () => expect((await alice.request('GET', `/v3/rooms/${encodeURIComponent(roomId)}/joined_members`)).joined).toHaveProperty([carol.userId]));
      await reads(carol, roomId, 'one', 'two');
      expect(await texts(bob, roomId)).toEqual(['before']);
    } finally {
      network.link(a, b).set('open');
    }
    await say(alice, roomId, 'three');
    await reads(bob, roomId, 'one', 'two', 'three');
  });
});

describe('an event that follows what a server cannot ask for at the moment', () => {
  it('is sent again until the server can', async () => {
    const roomId = await createRoom(alice);
    await join(bob, roomId, a);
    await join(carol, roomId, a);
    await say(alice, roomId, 'before');
    for (const client of [bob, carol]) await reads(client, roomId, 'before');
    const links = [network.link(c, b), network.link(b, c), network.link(b, a)];
    for (const link of links) link.set('refused');
    try {
      await say(carol, roomId, 'one');
      await reads(alice, roomId, 'one');
      await say(alice, roomId, 'two');
      await settles(() => expect(b.get(Destinations).failures(a.name)).toBeGreaterThan(0));
      expect(await texts(bob, roomId)).toEqual(['before']);
      network.link(b, a).set('open');
      await reads(bob, roomId, 'one', 'two');
    } finally {
      for (const link of links) link.set('open');
    }
  });
});
