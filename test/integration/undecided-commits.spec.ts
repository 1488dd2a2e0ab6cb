import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { DatabaseProxy } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { TestClient } from '../network/test-client.js';
import { TestDeviceKeys } from './test-keys.js';

const makeTable = statement('test.late_make', 'CREATE TABLE late_writes (n integer NOT NULL)');
const insertLate = statement('test.late_insert', 'INSERT INTO late_writes (n) VALUES ($1)');
const findLate = statement('test.late_find', 'SELECT n FROM late_writes');
const takeLate = statement('test.late_take', "INSERT INTO filters (user_id, filter_id, json) VALUES ('nobody', $1, '{}') ON CONFLICT DO NOTHING RETURNING filter_id AS what");
const setUsed = statement('test.set_used', 'UPDATE sequences SET used = used WHERE name = $1');

describe('a server that the database does not answer', () => {
  let net: Network;
  let proxy: DatabaseProxy;
  let [alice, carol, bob]: TestClient[] = [];
  let roomId = '';

  beforeAll(async () => {
    net = await Network.start({
      servers: ['a', 'b'],
      databaseLimits: { ...usualLimits, answerMs: 2_500, patienceMs: 300 },
      databaseUrl: async (label, url) => {
        if (label !== 'a') return url;
        const way = await DatabaseProxy.open(url);
        ({ proxy } = way);
        return way.url;
      },
    });
    [alice, carol, bob] = [await net.client('a').register('alice'), await net.client('a').register('carol'), await net.client('b').register('bob')];
    ({ room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' }));
    for (const member of [carol, bob]) await member.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: net.server('a').name } });
  });
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  const member = async (client: TestClient, id = roomId, userId = carol!.userId): Promise<string> =>
    (await client.request('GET', `${roomPath(id)}/state/m.room.member/${encodeURIComponent(userId)}`)).membership;

  /** Loses the answer to the COMMIT of a request, and what became of it cannot be asked until `work` is through. */
  const undecided = async (name: string, request: () => Promise<{ status: number }>, work: () => Promise<unknown> = async () => undefined): Promise<void> => {
    const cut = proxy.cut(name, 'answer lost').then(() => proxy.refuse(true));
    try {
      const answer = request();
      await cut;
      expect((await answer).status).toBeGreaterThanOrEqual(500);
      await work();
    } finally {
      proxy.refuse(false);
    }
  };

  it('does not say that a ban was stored, holds to it when it was, and tells everybody', async () => {
    const since = (await carol!.request('GET', '/v3/sync', undefined, { query: { timeout: 0 } })).next_batch;
    const heard = carol!.request('GET', '/v3/sync', undefined, { query: { since, timeout: 30_000 } });
    const send = () => carol!.raw('PUT', `${roomPath(roomId)}/send/m.room.message/${carol!.nextTxn()}`, { body: 'still here' });
    // The room is not used meanwhile: nobody knows what it looks like.
    await undecided('events.insert', () => alice!.raw('POST', `${roomPath(roomId)}/ban`, { user_id: carol!.userId }), async () => {
      expect((await send()).status).toBeGreaterThanOrEqual(500);
    });
    expect((await heard).rooms.leave[roomId].timeline.events.at(-1).content.membership).toBe('ban');
    expect((await send()).status).toBe(403);
    expect(await member(alice!)).toBe('ban');
    await eventually(async () => (await member(bob!)) === 'ban');
    await alice!.request('PUT', `${roomPath(roomId)}/send/m.room.message/${alice!.nextTxn()}`, { body: 'on it goes' });
  });

  it('finds a room that it could not say was made', async () => {
    const before = (await alice!.request('GET', '/v3/joined_rooms')).joined_rooms;
    await undecided('rooms.insert', () => alice!.raw('POST', '/v3/createRoom', {}));
    const made = await eventually(async () => (await alice!.request('GET', '/v3/joined_rooms')).joined_rooms.find((id: string) => !before.includes(id)));
    await alice!.request('PUT', `${roomPath(made)}/send/m.room.message/${alice!.nextTxn()}`, { body: 'first' });
  });

  it('writes account data after that of which it could not say what became', async () => {
    const path = `/v3/user/${encodeURIComponent(alice!.userId)}/account_data/org.example.x`;
    await undecided('account_data.upsert', () => alice!.raw('PUT', path, { n: 1 }));
    await alice!.request('PUT', path, { n: 2 });
    expect(await alice!.request('GET', path)).toEqual({ n: 2 });
  });

  it('ends a session of which it could not say that it has ended', async () => {
    const old = await net.client('a').login('alice');
    await undecided('access_token.delete', () => old.raw('POST', '/v3/logout', {}));
    await eventually(async () => (await old.raw('GET', '/v3/account/whoami')).status === 401);
  });

  it.each([['deleted', 'device.delete'], ['renamed', 'device.rename']])('tells everybody that a device was %s of which it could not say so', async (what, name) => {
    const phone = await net.client('a').login('alice');
    const keys = await TestDeviceKeys.upload(phone);
    const dora = await net.client('a').register(`dora${what}`);
    await dora.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
    const seen = async (client: TestClient) => (await client.request('POST', '/v3/keys/query', { device_keys: { [alice!.userId]: [] } })).device_keys[alice!.userId]?.[keys.deviceId];
    for (const client of [dora, bob!]) await eventually(async () => (await seen(client)) !== undefined);
    const since = (await dora.request('GET', '/v3/sync', undefined, { query: { timeout: 0 } })).next_batch;
    const path = `/v3/devices/${phone.deviceId}`;
    await undecided(name, async () => {
      if (what === 'renamed') return phone.raw('PUT', path, { display_name: 'renamed' });
      const { session } = (await alice!.raw('DELETE', path, {})).body;
      return alice!.raw('DELETE', path, { auth: { type: 'm.login.password', identifier: { type: 'm.id.user', user: alice!.userId }, password: 'password of alice', session } });
    });
    for (const client of [dora, bob!]) {
      await eventually(async () => {
        const device = await seen(client);
        return what === 'renamed' ? device?.unsigned?.device_display_name === 'renamed' : device === undefined;
      });
    }
    await eventually(async () => (await dora.request('GET', '/v3/sync', undefined, { query: { since, timeout: 0 } })).device_lists?.changed?.includes(alice!.userId));
  });

  it('goes on with other connections when those that it has fall silent', async () => {
    await Promise.all(Array.from({ length: 8 }, () => alice!.request('GET', '/v3/pushrules/')));
    proxy.silence();
    await alice!.request('PUT', `${roomPath(roomId)}/send/m.room.message/${alice!.nextTxn()}`, { body: 'through another' });
  });

  it('stores once what arrives after it was done again', async () => {
    const db = net.server('a').get(Database);
    await db.query(makeTable);
    const cut = proxy.cut('test.late_insert', 'late');
    await db.write(insertLate, [1]);
    await cut;
    await proxy.deliver();
    expect(await db.query(findLate)).toEqual([{ n: 1 }]);
    await db.write(insertLate, [2]);
    expect(await db.query(findLate)).toHaveLength(2);
  });

  it('gives what a statement has found, though the answer to its COMMIT is lost', async () => {
    const db = net.server('a').get(Database);
    const cut = proxy.cut('test.late_take', 'answer lost');
    const taken = db.query(takeLate, ['one']);
    await cut;
    expect(await taken).toEqual([{ what: 'one' }]);
    expect(await db.query(takeLate, ['one'])).toEqual([]);
  });

  it('does again what a deadlock has undone', async () => {
    const db = net.server('a').get(Database);
    const meet = [meeting(), meeting()];
    let tries = 0;
    const both = [['receipts', 'account'], ['account', 'receipts']].map(async (names, i) => {
      let isFirstTry = true;
      await db.transaction(async (tx) => {
        tries++;
        await tx.query(setUsed, [names[0]]);
        // The other one has its first row.
        if (isFirstTry) await (meet[i]!.arrive(), meet[1 - i]!.there);
        isFirstTry = false;
        await tx.query(setUsed, [names[1]]);
      });
    });
    await Promise.all(both);
    expect(tries).toBeGreaterThan(2);
  });
});

function meeting(): { arrive: () => void; there: Promise<void> } {
  let arrive = (): void => undefined;
  const there = new Promise<void>((resolve) => (arrive = resolve));
  return { arrive: () => arrive(), there };
}
