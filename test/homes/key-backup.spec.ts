import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

let net: Network;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
});
afterAll(() => net.stop());

const algorithm = 'm.megolm_backup.v1.curve25519-aes-sha2';
const create = async (client: TestClient, name = 'x'): Promise<string> =>
  (await client.request('POST', '/v3/room_keys/version', { algorithm, auth_data: { public_key: name, share: 0.5 } })).version;
const key = (word: string, change: Json = {}) => ({ first_message_index: 5, forwarded_count: 1, is_verified: false, session_data: { word }, ...change });
const path = (...names: string[]) => ['/v3/room_keys/keys', ...names.map(encodeURIComponent)].join('/');
const put = (client: TestClient, version: string, sessionId: string, body: Json, roomId = '!r:x') => client.request('PUT', path(roomId, sessionId), body, { query: { version } });
const word = async (client: TestClient, version: string, sessionId: string): Promise<string | undefined> =>
  (await client.raw('GET', path('!r:x', sessionId), undefined, { query: { version } })).body.session_data?.word;

describe('a backup of keys', () => {
  let alice: TestClient;
  let version: string;
  beforeAll(async () => {
    alice = await net.client(a).register('alice');
    version = await create(alice);
  });

  it('is described to its owner alone', async () => {
    const shown = { algorithm, auth_data: { public_key: 'x', share: 0.5 }, count: 0, etag: '0', version };
    expect(await alice.request('GET', '/v3/room_keys/version')).toEqual(shown);
    expect(await alice.request('GET', `/v3/room_keys/version/${version}`)).toEqual(shown);
    const bob = await net.client(a).register('bob');
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/room_keys/version');
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', `/v3/room_keys/version/${version}`);
    await bob.expectError(404, 'M_NOT_FOUND', 'PUT', path('!r:x', 's'), key('x'), { query: { version } });
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', path(), undefined, { query: { version } });
  });

  it('can be described anew, with the same algorithm', async () => {
    const described = { algorithm, auth_data: { public_key: 'x', share: 0.5, signatures: {} }, version };
    await alice.request('PUT', `/v3/room_keys/version/${version}`, described);
    expect((await alice.request('GET', '/v3/room_keys/version')).auth_data).toEqual(described.auth_data);
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `/v3/room_keys/version/${version}`, { ...described, algorithm: 'other' });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `/v3/room_keys/version/${version}`, { ...described, version: '99' });
    await alice.expectError(404, 'M_NOT_FOUND', 'PUT', '/v3/room_keys/version/99', { algorithm, auth_data: {} });
  });

  it('takes keys one by one, by room and all at once, and gives them so', async () => {
    const first = await put(alice, version, 's1', key('one'));
    expect(first.count).toBe(1);
    await alice.request('PUT', path('!r:x'), { sessions: { s2: key('two') } }, { query: { version } });
    const third = await alice.request('PUT', path(), { rooms: { '!q:x': { sessions: { s3: key('three') } } } }, { query: { version } });
    expect(third).toEqual({ count: 3, etag: expect.any(String) });
    expect(third.etag).not.toBe(first.etag);
    const query = { version };
    expect(await alice.request('GET', path(), undefined, { query })).toEqual({ rooms: { '!r:x': { sessions: { s1: key('one'), s2: key('two') } }, '!q:x': { sessions: { s3: key('three') } } } });
    expect(await alice.request('GET', path('!r:x'), undefined, { query })).toEqual({ sessions: { s1: key('one'), s2: key('two') } });
    expect(await alice.request('GET', path('!none:x'), undefined, { query })).toEqual({ sessions: {} });
    expect(await alice.request('GET', path('!r:x', 's1'), undefined, { query })).toEqual(key('one'));
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', path('!r:x', 'none'), undefined, { query });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', path(), undefined, { query: { version: '99' } });
  });

  it.each<[string, Json, boolean]>([
    ['an equal', {}, false],
    ['one that was verified', { is_verified: true, first_message_index: 9 }, true],
    ['a worse one that was verified', { is_verified: true, first_message_index: 10 }, false],
    ['one that decrypts more', { is_verified: true, first_message_index: 1, forwarded_count: 7 }, true],
    ['one that was passed on less', { is_verified: true, first_message_index: 1, forwarded_count: 0 }, true],
    ['one that was not verified', { first_message_index: 0, forwarded_count: 0 }, false],
  ])('keeps the better of two keys: %s', async (name, change, isTaken) => {
    const { etag } = await alice.request('GET', '/v3/room_keys/version');
    const answer = await put(alice, version, 's1', key(name, change));
    expect([await word(alice, version, 's1') === name, answer.etag !== etag, answer.count]).toEqual([isTaken, isTaken, 3]);
  });

  it('loses keys that are deleted, and takes them again', async () => {
    const query = { version };
    expect((await alice.request('DELETE', path('!r:x', 's1'), undefined, { query })).count).toBe(2);
    expect(await word(alice, version, 's1')).toBeUndefined();
    expect((await put(alice, version, 's1', key('again'))).count).toBe(3);
    expect((await alice.request('DELETE', path('!r:x'), undefined, { query })).count).toBe(1);
    expect((await alice.request('DELETE', path(), undefined, { query })).count).toBe(0);
    expect(await alice.request('GET', path(), undefined, { query })).toEqual({ rooms: {} });
  });

  it('that is not the current one is read and not written', async () => {
    await put(alice, version, 's1', key('old'));
    const second = await create(alice, 'y');
    expect(await alice.expectError(403, 'M_WRONG_ROOM_KEYS_VERSION', 'PUT', path('!r:x', 's2'), key('x'), { query: { version } })).toHaveProperty('current_version', second);
    expect(await word(alice, version, 's1')).toBe('old');
    await alice.request('DELETE', `/v3/room_keys/version/${second}`);
    await alice.request('DELETE', `/v3/room_keys/version/${second}`);
    expect((await alice.request('GET', '/v3/room_keys/version')).version).toBe(version);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', path(), undefined, { query: { version: second } });
    await alice.expectError(404, 'M_NOT_FOUND', 'DELETE', '/v3/room_keys/version/99');
    expect(await create(alice)).not.toBe(second);
  });

  it('is another one for each of those that are made at once', async () => {
    const carl = await net.client(a).register('carl');
    const names = ['one', 'two', 'three', 'four'];
    const versions = await Promise.all(names.map((name) => create(carl, name)));
    for (const [i, made] of versions.entries()) expect((await carl.request('GET', `/v3/room_keys/version/${made}`)).auth_data.public_key).toBe(names[i]);
  });

  it.each<[Json]>([[{}], [key('x', { is_verified: 1 })], [key('x', { first_message_index: -1 })], [key('x', { session_data: null })], [key('x', { session_data: undefined })], [key('x', { forwarded_count: 0.5 })]])('takes no %j for a key', async (body) => {
    const { version: current } = await alice.request('GET', '/v3/room_keys/version');
    expect((await alice.raw('PUT', path('!r:x', 's9'), body, { query: { version: current } })).status).toBe(400);
  });

  it('takes keys of 16 KiB, and none that are larger', async () => {
    const { version: current } = await alice.request('GET', '/v3/room_keys/version');
    const sized = (bytes: number) => key('x', { session_data: { text: 'x'.repeat(bytes - '{"text":""}'.length) } });
    await put(alice, current, 'large', sized(16 * 1024));
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', path('!r:x', 'larger'), sized(16 * 1024 + 1), { query: { version: current } });
  });
});

describe('a backup at two homes', () => {
  const shown = (client: TestClient): Promise<Json> => client.request('GET', '/v3/room_keys/version');
  const atBoth = async (name: string): Promise<[Person, TestClient, TestClient]> => {
    const person = await Person.named(name, a);
    await create(person.at(a), 'before');
    await put(person.at(a), (await shown(person.at(a))).version, 's0', key('before'));
    await person.addHome(b);
    await person.login(b);
    return [person, person.at(a), person.at(b)];
  };

  it('comes along with the account, and is there when the first home is dead', async () => {
    const [, atA, atB] = await atBoth('carol');
    const first = await eventually(async () => (await shown(atB).catch(() => undefined))?.version);
    await eventually(async () => (await word(atB, first, 's0')) === 'before');
    expect((await shown(atB)).count).toBe(1);
    const version = await create(atA, 'second');
    await put(atA, version, 's1', key('one'));
    await eventually(async () => (await word(atB, version, 's1')) === 'one');
    await a.stop();
    try {
      expect(await shown(atB)).toMatchObject({ version, count: 1, auth_data: { public_key: 'second' } });
      await put(atB, version, 's2', key('two'));
    } finally {
      await a.start();
    }
    await eventually(async () => (await word(atA, version, 's2')) === 'two', 20_000);
    expect((await shown(atA)).count).toBe(2);
    await atB.request('DELETE', path('!r:x', 's1'), undefined, { query: { version } });
    await eventually(async () => (await word(atA, version, 's1')) === undefined, 20_000);
    await atA.request('DELETE', `/v3/room_keys/version/${version}`);
    await eventually(async () => (await shown(atB)).version === first, 20_000);
  }, 90_000);

  it('keeps the better key at both, wherever the worse one was written later, and never mixes two backups', async () => {
    const [, atA, atB] = await atBoth('dave');
    const version = await create(atA, 'shared');
    await eventually(async () => (await shown(atB)).version === version);
    await b.stop();
    await put(atA, version, 'same', key('better', { first_message_index: 0 }));
    await put(atA, version, 'tie', key('tie a'));
    await a.stop();
    await b.start();
    await put(atB, version, 'same', key('worse'));
    await put(atB, version, 'tie', key('tie b'));
    const made = [await create(atB, 'at b')];
    await b.stop();
    await a.start();
    made.push(await create(atA, 'at a'));
    await b.start();
    const current = made.sort().at(-1)!;
    for (const client of [atA, atB]) {
      await eventually(async () => (await word(client, version, 'same')) === 'better', 20_000);
      await eventually(async () => (await word(client, version, 'tie')) === 'tie a', 20_000);
      await eventually(async () => (await shown(client)).version === current, 20_000);
    }
    expect(new Set(made).size).toBe(2);
  }, 120_000);
});
