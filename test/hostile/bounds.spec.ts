import { randomBytes } from 'node:crypto';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { HeldClock } from '../network/travelling-clock.js';
import { HostileServer } from './hostile-server.js';

// What one account may take of a server: in bytes, and in so many things at once.
const MIB = 1024 * 1024;

let net: Network;
const clock = new HeldClock();
/** Registers in another minute than the others, which is often enough. */
function register(server: string, name: string): Promise<TestClient> {
  clock.pass(60_000);
  return net.client(server).register(name);
}
async function registerAll(server: string, ...names: string[]): Promise<[TestClient, TestClient, TestClient]> {
  const clients: TestClient[] = [];
  for (const name of names) clients.push(await register(server, name));
  return clients as [TestClient, TestClient, TestClient];
}

beforeAll(async () => {
  // `a` is without rate limits, so that what is behind them can be reached.
  net = await Network.start({ clock, servers: ['a', 'b'], configs: { b: { rateLimits: true } } });
});
afterAll(() => net?.stop());

const user = (client: TestClient) => `/v3/user/${encodeURIComponent(client.userId)}`;
const put = (client: TestClient, type: string, size: number) => client.raw('PUT', `${user(client)}/account_data/${type}`, { x: 'x'.repeat(size) });

describe('account data', () => {
  it('is 10 MiB at most, which can be changed, emptied and filled again', async () => {
    const client = await register('a', 'hoarder');
    for (let i = 0; i < 20; i++) expect((await put(client, `t${i}`, 510_000)).status).toBe(200);
    expect([(await put(client, 'more', 510_000)).status, (await put(client, 'more', 200_000)).status]).toEqual([413, 200]);
    expect([(await put(client, 't0', 510_001)).status, (await put(client, 't0', 510_000)).status]).toEqual([200, 200]);
    expect((await put(client, 'more', 500_000)).status).toBe(413);
    for (let i = 0; i < 10; i++) await put(client, `t${i}`, 0);
    expect((await put(client, 'more', 500_000)).status).toBe(200);
    const { account_data: { events } } = await client.request('GET', '/v3/sync');
    expect(events.map((event: Json) => event.type)).toEqual(expect.arrayContaining(['more', 't0', 't19']));
    // Of rooms too.
    const path = `${user(client)}/rooms/${encodeURIComponent('!r:example.org')}/account_data/t`;
    expect((await client.raw('PUT', path, { x: 'x'.repeat(500_000) })).status).toBe(200);
    for (let i = 0; i < 9; i++) await put(client, `t${i}`, 500_000);
    expect((await client.raw('PUT', `${path}2`, { x: 'x'.repeat(500_000) })).status).toBe(413);
  });

  it('is not written all the time', async () => {
    const client = await register('b', 'scribbler');
    const answers = await Promise.all(Array.from({ length: 230 }, (_, i) => put(client, `t${i % 5}`, 10)));
    expect(answers.filter(({ status }) => status === 429).length).toBeGreaterThan(10);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(200);
  });
});

describe('messages to devices', () => {
  const send = (client: TestClient, to: TestClient, size: number, count = 1) => client.raw('PUT', `/v3/sendToDevice/m.flood/${client.nextTxn()}`, {
    messages: { [to.userId]: { [to.deviceId]: { x: 'x'.repeat(size), n: count } } },
  });
  async function inboxOf(client: TestClient): Promise<Json[]> {
    const events: Json[] = [];
    for (let since: string | undefined; ;) {
      const answer: Json = await client.request('GET', '/v3/sync', undefined, { query: { since } });
      if ((answer.to_device?.events.length ?? 0) === 0) return events;
      events.push(...answer.to_device.events);
      since = answer.next_batch;
    }
  }

  it('of one sender take up 4 MiB of an inbox, and the newest of them stay', async () => {
    const [bob, mallory, alice] = await registerAll('a', 'bob', 'mallory', 'alice');
    await send(alice, bob, 10);
    for (let i = 0; i < 150; i++) expect((await send(mallory, bob, 60_000, i)).status).toBe(200);
    const inbox = await inboxOf(bob);
    expect(inbox.filter((event) => event.sender === alice.userId)).toHaveLength(1);
    const flood = inbox.filter((event) => event.sender === mallory.userId);
    expect(flood.length * 60_000).toBeLessThan(5 * MIB);
    expect(flood.length * 60_000).toBeGreaterThan(3 * MIB);
    expect(flood.map((event) => event.content.n)).toEqual(Array.from({ length: flood.length }, (_, i) => 150 - flood.length + i));
  });

  it('are not sent without end', async () => {
    const [bob, mallory, alice] = await registerAll('b', 'bob', 'mallory', 'alice');
    const statuses: number[] = [];
    for (let i = 0; i < 300; i++) statuses.push((await send(mallory, bob, 60_000)).status);
    expect(statuses.slice(0, 100)).toEqual(statuses.slice(0, 100).map(() => 200));
    expect(statuses).toContain(429);
    expect((await send(alice, bob, 10)).status).toBe(200);
  });
});

describe('a password', () => {
  it('cannot be guessed with a token, wherever it is asked for', async () => {
    const client = await register('b', 'victim');
    const auth = (password: string) => ({ type: 'm.login.password', identifier: { type: 'm.id.user', user: client.userId }, password });
    const masterKey = () => {
      const key = randomBytes(32).toString('base64').replace(/=+$/, '');
      return { master_key: { user_id: client.userId, usage: ['master'], keys: { [`ed25519:${key}`]: key } } };
    };
    // The first keys take no proof.
    await client.request('POST', '/v3/keys/device_signing/upload', masterKey());
    const places: [string, string, Json][] = [
      ['POST', '/v3/keys/device_signing/upload', masterKey()],
      ['POST', '/v3/account/password', { new_password: 'taken over' }],
      ['POST', '/v3/delete_devices', { devices: [client.deviceId] }],
      ['DELETE', `/v3/devices/${client.deviceId}`, {}],
    ];
    const statuses: number[] = [];
    for (let i = 0; i < 12; i++) {
      const [method, path, body] = places[i % places.length]!;
      statuses.push((await client.raw(method, path, { ...body, auth: auth(`guess ${i}`) })).status);
    }
    expect(statuses.slice(0, 4)).toEqual([401, 401, 401, 401]);
    expect(statuses.slice(6)).toEqual(statuses.slice(6).map(() => 429));
    // Nor by logging in, from wherever.
    const { body } = await net.client('b').raw('POST', '/v3/login', auth('password of victim'));
    expect(body.errcode).toBe('M_LIMIT_EXCEEDED');
  });

  it('that is right does not count', async () => {
    await register('b', 'often');
    for (let i = 0; i < 8; i++) await net.client('b').login('often');
  });
});

describe('what another server sends', () => {
  it('is so many bytes at once, and so many in a while, which others do not pay for', async () => {
    const [flood, other] = await Promise.all([HostileServer.start(), HostileServer.start()]);
    try {
      const target = net.server('b');
      const body = { pdus: [], edus: [{ edu_type: 'm.odd', content: { x: 'x'.repeat(16_000_000) } }] };
      let txn = 0;
      const send = (server: HostileServer, content: object = body) => server.raw(target, 'PUT', `/_matrix/federation/v1/send/${++txn}`, content);
      // 64 MiB, and what was under way when they were used up.
      const statuses: number[] = [];
      for (let i = 0; i < 5; i++) statuses.push((await send(flood)).status);
      expect(statuses).toEqual(statuses.map(() => 200));
      const refused = await send(flood, { pdus: [], edus: [] });
      expect(refused).toMatchObject({ status: 429, body: { errcode: 'M_LIMIT_EXCEEDED' } });
      // A mebibyte a second.
      const wait = refused.body.retry_after_ms;
      expect(wait).toBeGreaterThan(12_000);
      expect(wait).toBeLessThan(13_000);
      expect((await send(other)).status).toBe(200);
      clock.pass(wait - 100);
      expect((await send(flood)).status).toBe(429);
      clock.pass(100);
      expect((await send(flood)).status).toBe(200);
      expect((await send(flood, { pdus: [], edus: [] })).status).toBe(429);
    } finally {
      await Promise.all([flood.stop(), other.stop()]);
    }
  }, 180_000);
});

describe('push rules', () => {
  it('of an account that wants to be a burden are looked at for so long, and no longer', async () => {
    const [alice, mallory] = await registerAll('a', 'ruled', 'ruler');
    await mallory.expectError(400, 'M_BAD_JSON', 'PUT', '/v3/pushrules/global/content/long', { actions: ['notify'], pattern: 'a'.repeat(300) });
    for (let i = 0; i < 150; i++) {
      await mallory.request('PUT', `/v3/pushrules/global/content/r${i}`, { actions: ['notify', { set_tweak: 'highlight' }], pattern: `${'a?'.repeat(110)}${i}` });
    }
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await mallory.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
    for (let i = 0; i < 40; i++) await alice.request('PUT', `${roomPath(roomId)}/send/m.room.message/${i}`, { msgtype: 'm.text', body: 'a'.repeat(60_000) });
    const before = process.cpuUsage();
    const { rooms } = await mallory.request('GET', '/v3/sync');
    const { user: cpu } = process.cpuUsage(before);
    expect(rooms.join[roomId].unread_notifications).toEqual({ notification_count: 40, highlight_count: 0 });
    // Not looked at with a bound it takes 32 s: time of the processor, so that a busy machine makes no difference.
    expect(cpu / 1_000).toBeLessThan(3_000);
  });
});
