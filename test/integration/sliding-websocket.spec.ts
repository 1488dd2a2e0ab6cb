import { WebSocket } from 'ws';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { first, texts } from './sliding-talk.js';
import { createRoom, say } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

/** A socket with the frames and the close code that it got. */
class Socket {
  readonly frames: Json[] = [];
  closed: number | null = null;
  readonly ws: WebSocket;

  constructor(client: TestClient, query = 'form=unstable', token = client.accessToken) {
    const base = net.server('a').url.replace(/^http/, 'ws');
    this.ws = new WebSocket(`${base}/_matrix/client/unstable/io.partyline/ws/sliding?${query}`, { headers: { authorization: `Bearer ${token}` } });
    this.ws.on('message', (data) => this.frames.push(JSON.parse(String(data))));
    this.ws.on('close', (code) => (this.closed = code));
    this.ws.on('error', () => undefined);
  }

  async ask(body: Json): Promise<void> {
    if (this.ws.readyState === WebSocket.CONNECTING) await new Promise((resolve) => this.ws.once('open', resolve));
    this.ws.send(JSON.stringify(body));
  }

  /** The frame of that number, when it is there. */
  async frame(number: number): Promise<Json> {
    await eventually(() => this.frames.length >= number, 20_000);
    return this.frames[number - 1];
  }
}

it('is answered like requests, one frame at a time', async () => {
  const alice = await net.client().register('alice');
  const roomId = await createRoom(alice, { name: 'a room' });
  const socket = new Socket(alice);
  await socket.ask(first(1));
  const one = await socket.frame(1);
  expect(one.rooms[roomId]).toMatchObject({ name: 'a room', initial: true });
  await say(alice, roomId, 'one');
  await say(alice, roomId, 'two');
  // Nothing comes before it is asked for, then all at once: the position alone asks again for the same.
  await socket.ask({ pos: one.pos });
  const two = await socket.frame(2);
  expect(texts(two.rooms[roomId])).toEqual(['one', 'two']);
  expect(socket.frames).toHaveLength(2);
  // Who waits can ask for something else.
  await socket.ask({ pos: two.pos });
  await socket.ask({ ...first(1), pos: two.pos, extensions: { account_data: { enabled: true } } });
  const three = await socket.frame(3);
  expect(three.extensions.account_data.global.map((event: Json) => event.type)).toContain('m.push_rules');
  await socket.ask({ pos: three.pos });
  await alice.request('PUT', `/v3/user/${alice.userId}/account_data/a.type`, { n: 1 });
  expect((await socket.frame(4)).extensions.account_data.global).toEqual([{ type: 'a.type', content: { n: 1 } }]);
  // A position that is gone is said so; the connection stays.
  await socket.ask({ pos: one.pos });
  expect((await socket.frame(5)).errcode).toBe('M_UNKNOWN_POS');
  await socket.ask(first(1));
  expect((await socket.frame(6)).rooms[roomId].initial).toBe(true);
  socket.ws.close();
});

it('takes the form of MSC4186', async () => {
  const bob = await net.client().register('bob');
  const roomId = await createRoom(bob);
  const socket = new Socket(bob, '');
  await socket.ask({ lists: { all: { required_state: {}, timeline_limit: 1 } } });
  expect((await socket.frame(1)).rooms[roomId]).toMatchObject({ membership: 'join', lists: ['all'] });
  socket.ws.close();
});

it('is closed for who has no token, says nonsense, floods, or logs out', async () => {
  const carol = await net.client().register('carol');
  const closed = (socket: Socket, code: number) => eventually(() => socket.closed === code, 20_000);
  await closed(new Socket(carol, '', 'none'), 4401);
  const nonsense = new Socket(carol);
  await nonsense.ask('a text');
  await closed(nonsense, 4400);
  const wrong = new Socket(carol);
  await wrong.ask({ lists: 3 });
  await closed(wrong, 4400);
  const flooding = new Socket(carol);
  await flooding.ask({});
  const { pos } = await flooding.frame(1);
  // None of them has an answer while there is nothing new.
  for (let i = 0; i < 100; i++) await flooding.ask({ pos });
  await closed(flooding, 4429);
  const waiting = new Socket(carol);
  await waiting.ask({});
  await waiting.ask({ pos: (await waiting.frame(1)).pos });
  await carol.request('POST', '/v3/logout', {});
  await closed(waiting, 4401);
});
