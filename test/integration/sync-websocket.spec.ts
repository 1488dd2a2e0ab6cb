import { createHmac } from 'node:crypto';
import { WebSocket } from 'ws';
import { eventually } from '../network/eventually.js';
import { Network, REGISTRATION_SECRET } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';

let net: Network;
const clock = new TravellingClock();
beforeAll(async () => {
  net = await Network.start({ clock });
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

  it('is for those for whom /sync is, for as long as it is', async () => {
    const admin = net.client();
    const { nonce } = await admin.request('GET', '/_synapse/admin/v1/register');
    const mac = createHmac('sha1', REGISTRATION_SECRET).update(`${nonce}\0root\0x long enough\0admin`).digest('hex');
    admin.accessToken = (await admin.request('POST', '/_synapse/admin/v1/register', { nonce, username: 'root', password: 'x long enough', admin: true, mac })).access_token;
    const names = ['locked', 'expiring', 'removed'];
    for (const name of names) await net.client().register(name);
    const [locked, expiring, removed] = await Promise.all(names.map((name, i) => net.client().login(name, undefined, { refresh_token: i === 1 }))) as TestClient[];
    const { room_id: roomId } = await locked!.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    for (const client of [expiring!, removed!, admin]) await client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
    const sockets = [locked!, expiring!, removed!].map((client) => new Socket(`?access_token=${client.accessToken}`));
    await eventually(() => sockets.every((socket) => socket.frames.length === 1));
    for (const socket of sockets) socket.acknowledge();
    await admin.request('PUT', `/v1/admin/lock/${encodeURIComponent(locked!.userId)}`, { locked: true });
    await removed!.request('POST', '/v3/logout', {});
    clock.aheadMs = 2 * 3_600_000;
    try {
      // What happens now is none of their business.
      await say(admin, roomId, 'too late');
      await eventually(() => sockets.every((socket) => socket.closed !== null));
      expect(sockets.map((socket) => [socket.frames.length, socket.closed])).toEqual(names.map(() => [1, 4401]));
      const again = new Socket(`?access_token=${locked!.accessToken}`);
      await eventually(() => again.closed !== null);
      expect([again.closed, again.frames.length]).toEqual([4401, 0]);
    } finally {
      clock.aheadMs = 0;
    }
  });

  it('does not listen to floods', async () => {
    const alice = await net.client().register('flooding');
    const sockets = Array.from({ length: 3 }, () => new Socket(`?access_token=${alice.accessToken}`)) as [Socket, Socket, Socket];
    await eventually(() => sockets.every((socket) => socket.frames.length === 1));
    const [flood, huge, binary] = sockets;
    for (let i = 0; i < 3_000; i++) flood.ws.send('nonsense');
    huge.ws.send('x'.repeat(1_000_000));
    binary.ws.send(Buffer.from([0, 1, 2]));
    await eventually(() => sockets.every((socket) => socket.closed !== null));
    expect([huge.closed, binary.closed]).toEqual([1009, 4400]);
    expect([4400, 1006]).toContain(flood.closed);
  });

  it('is one of twenty per account, and gives their places back', async () => {
    const alice = await net.client().register('many');
    const sockets = Array.from({ length: 22 }, () => new Socket(`?access_token=${alice.accessToken}`));
    await eventually(() => sockets.filter((socket) => socket.frames.length === 1).length === 20 && sockets.filter((socket) => socket.closed === 4429).length === 2);
    for (const socket of sockets) socket.ws.terminate();
    await eventually(async () => {
      const next = new Socket(`?access_token=${alice.accessToken}`);
      await eventually(() => next.frames.length === 1 || next.closed !== null);
      next.ws.terminate();
      return next.closed === null;
    });
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
