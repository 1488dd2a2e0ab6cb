import { WebSocket } from 'ws';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

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

  constructor(path: string, protocols: string[] = [], headers: Record<string, string> = {}) {
    const base = net.server('a').url.replace(/^http/, 'ws');
    this.ws = new WebSocket(`${base}/_matrix/client/unstable/io.partyline/ws${path}`, protocols, { headers });
    this.ws.on('message', (data) => this.frames.push(JSON.parse(String(data))));
    this.ws.on('close', (code) => (this.closed = code));
    this.ws.on('error', () => undefined);
  }

  acknowledge(since = this.frames.at(-1).next_batch): void {
    this.ws.send(JSON.stringify({ since }));
  }
}

const createRoom = async (client: TestClient): Promise<string> => (await client.request('POST', '/v3/createRoom', {})).room_id;
const say = (client: TestClient, roomId: string, body: string) =>
  client.request('PUT', `/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' });
const bodies = (frame: Json, roomId: string): string[] => frame.rooms.join[roomId].timeline.events.flatMap((event: Json) => event.content.body ?? []);

describe('sync over WebSocket', () => {
  it.each([
    ['a header', (token: string) => new Socket('', [], { authorization: `Bearer ${token}` })],
    ['a sub-protocol', (token: string) => new Socket('', ['io.partyline.sync', `access_token.${token}`])],
    ['the query', (token: string) => new Socket(`?access_token=${encodeURIComponent(token)}`)],
  ])('sends a frame at a time to who shows a token in %s', async (where, connect) => {
    const alice = await net.client().register(`alice.${where.at(-1)}`);
    const roomId = await createRoom(alice);
    const socket = connect(alice.accessToken!);
    await eventually(() => socket.frames.length === 1);
    expect(socket.frames[0].rooms.join[roomId]).toBeDefined();
    await say(alice, roomId, 'one');
    await say(alice, roomId, 'two');
    // Nothing comes until the first frame is acknowledged, then all at once.
    const { next_batch: since } = await alice.request('GET', '/v3/sync', undefined, { query: { since: socket.frames[0].next_batch } });
    expect(socket.frames.length).toBe(1);
    socket.acknowledge();
    await eventually(() => socket.frames.length === 2);
    expect(bodies(socket.frames[1], roomId)).toEqual(['one', 'two']);
    expect(socket.frames[1].next_batch).toBe(since);
    socket.acknowledge();
    await say(alice, roomId, 'three');
    await eventually(() => socket.frames.length === 3);
    expect(bodies(socket.frames[2], roomId)).toEqual(['three']);
    socket.ws.close();
    await eventually(() => socket.closed !== null);
  });

  it('goes on from a token', async () => {
    const alice = await net.client().register('since');
    const roomId = await createRoom(alice);
    const { next_batch: since } = await alice.request('GET', '/v3/sync');
    await say(alice, roomId, 'new');
    const socket = new Socket(`?since=${since}&access_token=${alice.accessToken}`);
    await eventually(() => socket.frames.length === 1);
    expect(bodies(socket.frames[0], roomId)).toEqual(['new']);
    socket.ws.close();
  });

  it('says why it closes', async () => {
    const alice = await net.client().register('closing');
    const noToken = new Socket('');
    const badToken = new Socket('?access_token=none');
    const badSince = new Socket(`?since=none&access_token=${alice.accessToken}`);
    const nonsense = new Socket(`?access_token=${alice.accessToken}`);
    await eventually(() => nonsense.frames.length === 1);
    nonsense.ws.send('{"since":7}');
    const flood = new Socket(`?access_token=${alice.accessToken}`);
    await eventually(() => flood.frames.length === 1);
    for (let i = 0; i < 3; i++) flood.acknowledge();
    await eventually(() => [noToken, badToken, badSince, nonsense, flood].every((socket) => socket.closed !== null));
    expect([noToken, badToken, badSince, nonsense, flood].map((socket) => socket.closed)).toEqual([4401, 4401, 4400, 4400, 4429]);
  });

  it('ends with the session, and with the server', async () => {
    const alice = await net.client().register('leaving');
    const other = await net.client().login('leaving');
    const [first, second] = [new Socket(`?access_token=${alice.accessToken}`), new Socket(`?access_token=${other.accessToken}`)];
    await eventually(() => first.frames.length === 1 && second.frames.length === 1);
    await alice.request('POST', '/v3/logout', {});
    await eventually(() => first.closed !== null);
    expect(first.closed).toBe(4401);
    expect(second.closed).toBeNull();
    await net.server('a').restart();
    await eventually(() => second.closed !== null);
  });
});
