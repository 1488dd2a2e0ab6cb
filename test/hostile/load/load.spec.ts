import { connect, type Socket } from 'node:net';
import { authorizationHeader } from '../../../apps/homeserver/src/federation/outgoing/request-signature.js';
import { eventually } from '../../network/eventually.js';
import { roomPath } from '../../network/room-pages.js';
import { TestClient } from '../../network/test-client.js';
import { HostileServer } from '../hostile-server.js';
import { OfferedRoom } from '../offered-room.js';
import { LoadServer } from './load-server.js';

// What one account or one server does at its worst, at the bounds and beyond: the loop is not held up, memory stays bounded, and others are answered.
const MIB = 1024 * 1024;
const MAX_STALL_MS = 250;
const MAX_RSS = 600 * MIB;

let server: LoadServer;
let hostile: HostileServer;
let victim: TestClient;
let roomId: string;
let users = 0;
const user = () => server.client().register(`user${++users}`);

beforeEach(async () => {
  [server, hostile] = await Promise.all([LoadServer.start(), HostileServer.start()]);
  victim = await server.client().register('victim');
  roomId = (await victim.request('POST', '/v3/createRoom', {})).room_id;
  // What every server does once: connections, statements, code that is compiled.
  for (let i = 0; i < 20; i++) await ordinary();
}, 60_000);
afterEach(async () => {
  await hostile?.stop();
  await server?.stop();
});

let sent = 0;
async function ordinary(): Promise<void> {
  await victim.request('PUT', `${roomPath(roomId)}/send/m.room.message/o${++sent}`, { msgtype: 'm.text', body: 'hello' });
  await victim.request('GET', '/v3/sync', undefined, { query: { filter: '{"room":{"timeline":{"limit":1}}}' } });
}

/** Runs an attack while somebody else goes on with what he does. */
async function bears(attack: () => Promise<unknown>): Promise<void> {
  server.reset();
  let isOver = false;
  let answered = 0;
  const others = (async () => {
    while (!isOver) {
      await ordinary();
      answered++;
    }
  })();
  try {
    await attack();
  } finally {
    isOver = true;
  }
  await others;
  const { stallMs, rss } = await server.report();
  expect(server.isRunning).toBe(true);
  expect(answered).toBeGreaterThan(0);
  expect({ stallMs: stallMs <= MAX_STALL_MS ? 'short' : stallMs, rss: rss <= MAX_RSS ? 'bounded' : Math.round(rss / MIB) }).toEqual({ stallMs: 'short', rss: 'bounded' });
}

describe('a server', () => {
  it('bears an account that stores as much as it can, and reads all of it, again and again', async () => {
    const client = await user();
    await bears(async () => {
      const path = `/v3/user/${encodeURIComponent(client.userId)}/account_data`;
      for (let i = 0; i < 60; i++) await client.raw('PUT', `${path}/t${i}`, { x: 'x'.repeat(510_000) });
      await Promise.all(Array.from({ length: 20 }, () => client.raw('GET', '/v3/sync')));
    });
  }, 120_000);

  it('bears a room whose state is as large as it can be', async () => {
    const client = await user();
    const { room_id: room } = await client.request('POST', '/v3/createRoom', {});
    await bears(async () => {
      const statuses: number[] = [];
      for (let i = 0; i < 320; i++) {
        statuses.push((await client.raw('PUT', `${roomPath(room)}/state/org.example.heavy/k${i}`, { x: 'x'.repeat(60_000) })).status);
      }
      expect(statuses.indexOf(413)).toBeGreaterThan(250);
      // What is there can be replaced, and the room be moderated.
      expect((await client.raw('PUT', `${roomPath(room)}/state/org.example.heavy/k0`, { x: 'y'.repeat(60_000) })).status).toBe(200);
      await client.request('PUT', `${roomPath(room)}/state/m.room.join_rules/`, { join_rule: 'public' });
      for (let i = 0; i < 3; i++) expect((await client.raw('GET', '/v3/sync')).status).toBe(200);
    });
  }, 240_000);

  it('bears push rules that are as dear as can be', async () => {
    const [client, other] = [await user(), await user()];
    const { room_id: room } = await other.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await client.request('POST', `/v3/join/${encodeURIComponent(room)}`, {});
    await bears(async () => {
      for (let i = 0; i < 150; i++) await client.request('PUT', `/v3/pushrules/global/content/r${i}`, { actions: ['notify'], pattern: `${'a?'.repeat(110)}${i}` });
      for (let i = 0; i < 30; i++) await other.request('PUT', `${roomPath(room)}/send/m.room.message/${i}`, { msgtype: 'm.text', body: 'a'.repeat(60_000) });
      await client.request('GET', '/v3/sync');
    });
  }, 120_000);

  it('bears three hundred sockets that do not read', async () => {
    const client = await user();
    for (let i = 0; i < 12; i++) await client.request('PUT', `/v3/user/${encodeURIComponent(client.userId)}/account_data/t${i}`, { x: 'x'.repeat(500_000) });
    const sockets: Socket[] = [];
    await bears(async () => {
      for (let i = 0; i < 300; i++) {
        const socket = connect(server.httpPort, '127.0.0.1').pause();
        socket.on('error', () => undefined);
        sockets.push(socket);
        socket.write(`GET /_matrix/client/v3/sync HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${client.accessToken}\r\n\r\n`);
      }
      // The last of them is refused, when the others have been looked at.
      await eventually(async () => (await client.raw('GET', '/v3/sync')).status === 429, 60_000);
    });
    for (const socket of sockets) socket.destroy();
  }, 120_000);

  it('bears large transactions whose signature is wrong', async () => {
    const body = JSON.stringify({ pdus: [], origin: hostile.name, edus: Array.from({ length: 100 }, (_, i) => ({ edu_type: 'm.odd', content: Array.from({ length: 2_500 }, () => ({ [`n${i}`]: 'x'.repeat(52) })) })) });
    // Within the limits, but for the signature.
    expect(body.length).toBeGreaterThan(15_000_000);
    expect(body.length).toBeLessThan(16 * MIB);
    const client = new TestClient(server.target);
    await bears(async () => {
      const statuses = await Promise.all(Array.from({ length: 5 }, async (_, i) => {
        const uri = `/_matrix/federation/v1/send/wrong${i}`;
        const authorization = authorizationHeader({ method: 'PUT', uri, origin: hostile.name, destination: server.name, content: '{}' }, hostile.key);
        // Who is refused early may find the connection closed while he still sends.
        return client.raw('PUT', uri, body, { headers: { authorization } }).then((answer) => answer.status, () => 413);
      }));
      expect(statuses.filter((status) => ![401, 413, 429].includes(status))).toEqual([]);
    });
  }, 120_000);

  it('bears large transactions of nothing', async () => {
    const text = `{"edus":[${'[],'.repeat(5_000_000)}[]],"pdus":[]}`;
    const client = new TestClient(server.target);
    await bears(() => Promise.all(Array.from({ length: 5 }, (_, i) => {
      const uri = `/_matrix/federation/v1/send/nothing${i}`;
      const authorization = authorizationHeader({ method: 'PUT', uri, origin: hostile.name, destination: server.name, content: text }, hostile.key);
      return client.raw('PUT', uri, text, { headers: { authorization } }).catch(() => undefined);
    })));
  }, 120_000);

  it('bears large transactions that are in order, more at once than it takes', async () => {
    const edu = { edu_type: 'm.odd', content: { x: 'x'.repeat(60_000) } };
    const small = Array.from({ length: 500 }, (_, n) => ({ n }));
    await bears(async () => {
      const statuses = await Promise.all(Array.from({ length: 12 }, async (_, i) => (await hostile.raw(
        server.target, 'PUT', `/_matrix/federation/v1/send/right${i}`, { pdus: [], edus: [...Array.from({ length: 80 }, () => edu), ...Array.from({ length: 20 }, () => ({ edu_type: 'm.odd', content: small }))] },
      )).status));
      expect(statuses.every((status) => [200, 429].includes(status))).toBe(true);
      expect(statuses).toContain(200);
    });
  }, 120_000);

  it('bears the answer to a join of a hundred megabytes of nothing', async () => {
    const answer = Buffer.from(`{"state":[${'{},'.repeat(33_000_000)}{}],"auth_chain":[]}`);
    const room = new OfferedRoom(hostile, 'nothing', () => Promise.resolve(answer));
    const client = await user();
    await bears(async () => {
      const { status } = await client.raw('POST', `/v3/join/${encodeURIComponent(room.roomId)}?via=${encodeURIComponent(hostile.name)}`, {});
      expect(status).toBeGreaterThanOrEqual(400);
    });
  }, 120_000);

  it('bears an answer of as many events as such a large one may hold, none of which is one', async () => {
    const event = { type: 'm.odd', sender: hostile.user('x'), content: { body: 'x'.repeat(200) }, auth_events: [], prev_events: [] };
    const answer = Buffer.from(`{"state":[${Array.from({ length: 100_000 }, (_, depth) => JSON.stringify({ ...event, depth })).join(',')}],"auth_chain":[]}`);
    const room = new OfferedRoom(hostile, 'malformed', () => Promise.resolve(answer));
    const client = await user();
    await bears(async () => {
      const { status } = await client.raw('POST', `/v3/join/${encodeURIComponent(room.roomId)}?via=${encodeURIComponent(hostile.name)}`, {});
      expect(status).toBeGreaterThanOrEqual(400);
    });
  }, 120_000);
});
