import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { migrationsFolder } from '../../apps/homeserver/src/server.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { wire, type HostileServer } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ hostile, a, alice, bob } = world);
});
afterAll(() => world?.stop());

const user = (): string => `/v3/user/${encodeURIComponent(alice.userId)}`;
const accountData = (type: string): string => `${user()}/account_data/${type}`;
const syncText = async (): Promise<string> => (await alice.raw('GET', '/v3/sync')).bytes.toString();

// Keys of which the engine makes others when an object was parsed before that has the escapes themselves in a key.
const keys = ['caf\u00e9x', 'q"', '\n', 'back\\slash', '\u0000'];
const poison = String.raw`{"Q":1,"caf\\u":2,"q\\":1,"\\":1,"back\\\\":2,"\\u":3}`;
const text = (members: string): string => `{"Q":1,${members}}`;
const escaped = text(String.raw`"caf\u00e9x":1,"q\"":2,"\u000a":3,"back\u005cslash":4,"\u007f":5`);
const meant = { Q: 1, ...Object.fromEntries(['caf\u00e9x', 'q"', '\n', 'back\\slash', '\u007f'].map((key, i) => [key, i + 1])) };

describe('keys that are written with escapes', () => {
  beforeEach(async () => {
    for (const each of [poison, `[${poison}]`, ...keys.map((key) => text(`${JSON.stringify(JSON.stringify(key).slice(1, -1))}:1`))]) {
      await alice.raw('POST', '/v3/login', each, { anonymous: true });
      JSON.parse(each);
    }
  });

  it('stay what they are in what a client stores', async () => {
    await alice.request('PUT', accountData('org.example.keys'), escaped);
    for (let i = 0; i < 2; i++) {
      const stored = await alice.raw('GET', accountData('org.example.keys'));
      expect(entries(stored.bytes.toString())).toEqual(entriesOf(meant));
      await a.restart();
    }
  });

  it('stay what they are in events, at other servers and after a restart', async () => {
    const { roomId } = await world.sharedRoom('11');
    const { event_id: eventId } = await alice.request('PUT', `${path(roomId)}/state/org.example.keys`, escaped);
    await eventually(async () => (await bob.raw('GET', `${path(roomId)}/event/${encodeURIComponent(eventId)}`)).status === 200);
    await a.restart();
    for (const client of [alice, bob]) {
      const content = await client.raw('GET', `${path(roomId)}/state/org.example.keys/`);
      expect(entries(content.bytes.toString()).sort()).toEqual(entriesOf(meant).sort());
    }
  });

  it('stay what they are in what other servers send', async () => {
    const { bad } = await world.sharedRoom('11');
    const event = bad.event({ type: 'org.example.keys', content: { 'q"': 1, 'back\\slash': 2, '\n': 3 } });
    expect(await hostile.send(a, [wire(event)])).toEqual({ [event.eventId]: {} });
    const { content } = await alice.request('GET', `${path(bad.roomId)}/event/${encodeURIComponent(event.eventId)}`);
    expect(entriesOf(content)).toEqual(entriesOf({ '\n': 3, 'back\\slash': 2, 'q"': 1 }));
  });
});

describe('halves of surrogate pairs', () => {
  const halves = [String.raw`\ud800`, String.raw`\uDFFF and more`, String.raw`\ud83d\ud83d\ude00`];
  const put = (where: () => string, body: (half: string) => string): [() => string, (half: string) => string] => [where, body];

  it.each(Object.entries({
    'account data': put(() => accountData('org.example.half'), (half) => `{"a":["${half}"]}`),
    'a key of account data': put(() => accountData('org.example.half'), (half) => `{"${half}":1}`),
    'a tag': put(() => `${user()}/rooms/!r:x/tags/u.x`, (half) => `{"order":0.5,"name":"${half}"}`),
    'a name': put(() => `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, (half) => `{"displayname":"${half}"}`),
    'the name of a device': put(() => `/v3/devices/${alice.deviceId}`, (half) => `{"display_name":"${half}"}`),
    'a message to a device': put(() => `/v3/sendToDevice/org.example.half/${alice.nextTxn()}`, (half) => `{"messages":{"${alice.userId}":{"*":{"a":"${half}"}}}}`),
    'a push rule': put(() => '/v3/pushrules/global/content/half', (half) => `{"actions":[],"pattern":"${half}"}`),
  }))('are refused in %s', async (_name, [where, body]) => {
    for (const half of halves) await alice.expectError(400, 'M_BAD_JSON', 'PUT', where(), body(half));
    expect(await syncText()).not.toMatch(/\\u[dD][89a-fA-F]/);
  });

  it('are refused in filters, and in those of an address', async () => {
    for (const half of halves) {
      await alice.expectError(400, 'M_BAD_JSON', 'POST', `${user()}/filter`, `{"room":{"timeline":{"types":["${half}"]}}}`);
      const raw = await alice.raw('GET', '/v3/sync', undefined, { query: { filter: `{"room":{"timeline":{"types":["${half}"]}}}` } });
      expect(raw.status).toBe(400);
    }
  });

  it('are refused in what other servers send and answer', async () => {
    const edu = (type: string, a: string) => ({ edu_type: 'm.direct_to_device', content: { sender: hostile.user('x'), type, message_id: type, messages: { [alice.userId]: { '*': { a } } } } });
    const body = { pdus: [], edus: [edu('org.example.half', '\ud800'), edu('org.example.whole', 'whole')] };
    await hostile.request(a, 'PUT', '/_matrix/federation/v1/send/half', body);
    await hostile.expectError(400, 'M_BAD_JSON', a, 'PUT', '/_matrix/federation/v1/send/half2', { ...body, x: '\ud800' });
    const seen = await eventually(async () => (await alice.request('GET', '/v3/sync')).to_device?.events);
    expect(seen.map((event: Json) => event.type)).toEqual(['org.example.whole']);
    hostile.on(/query\/profile/, () => '{"displayname":"half \\ud800"}');
    const profile = await alice.raw('GET', `/v3/profile/${encodeURIComponent(hostile.user('half'))}`);
    expect(profile.bytes.toString()).not.toContain('ud800');
    expect(await syncText()).not.toMatch(/\\u[dD][89a-fA-F]/);
  });

  it('that were stored before come out whole', async () => {
    const types = { a: String.raw`{"a":"x\ud800\\ud800\\\udfff","b\udc00":["\ud83d"]}`, b: String.raw`{"whole":"\\ud83d 😀 \ufffe"}` };
    for (const [type, json] of Object.entries(types)) {
      await alice.request('PUT', accountData(`org.example.${type}`), {});
      await a.get(Database).query(statement(`test.spoil_${type}`, 'UPDATE account_data SET json = $1 WHERE type = $2'), [json, `org.example.${type}`]);
    }
    // What changes tables has been done already.
    const [sql] = /CREATE FUNCTION[^]*DROP FUNCTION[^;]*;/.exec(readFileSync(join(migrationsFolder(), '0023-well-formed-text.sql'), 'utf8'))!;
    await a.get(Database).dataSource.query(sql);
    await a.restart();
    expect((await alice.raw('GET', accountData('org.example.a'))).bytes.toString()).toBe(String.raw`{"a":"x\ufffd\\ud800\\\ufffd","b\ufffd":["\ufffd"]}`);
    expect((await alice.raw('GET', accountData('org.example.b'))).bytes.toString()).toBe(types.b);
  });
});

describe('depth', () => {
  const nested = (levels: number): Json => JSON.parse(`${'{"a":'.repeat(levels - 1)}{}${'}'.repeat(levels - 1)}`);

  it('is at most 100 levels in what clients send', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', {});
    for (const where of [accountData('org.example.deep'), `${path(roomId)}/state/org.example.deep`, `${path(roomId)}/send/org.example.deep/1`]) {
      await alice.expectError(400, 'M_BAD_JSON', 'PUT', where, nested(101));
      await alice.request('PUT', where, nested(100));
    }
  });

  it.each(['6', '11'])('is at most 126 levels in events of other servers, in version %s', async (version) => {
    const { bad } = await world.sharedRoom(version);
    const deepest = bad.event({ type: 'org.example.deep', content: nested(126) });
    expect(await hostile.send(a, [wire(deepest)])).toEqual({ [deepest.eventId]: {} });
    expect(await world.isShown(bad.roomId, deepest)).toBe(true);
    const base = wire(bad.message('x'));
    const next = bad.message('what comes with it is taken', { prev_events: [deepest.eventId] });
    expect(await hostile.send(a, [{ ...base, content: nested(127) }, wire(next)])).toEqual({ [next.eventId]: {} });
  });

  it('keeps profiles and keys of other servers out that clients could not read', async () => {
    const stranger = hostile.user('deep');
    const key = (levels: number) => ({ user_id: stranger, device_id: `D${levels}`, algorithms: [], keys: {}, signatures: {}, x: nested(levels) });
    hostile.on(/query\/profile/, () => ({ displayname: 'x', 'org.example.deep': nested(300) }));
    hostile.on(/user\/keys\/query/, () => ({ device_keys: { [stranger]: { D300: key(300), D50: key(50) } } }));
    hostile.on(/user\/keys\/claim/, () => ({ one_time_keys: { [stranger]: { D50: { 'signed_curve25519:A': { key: 'x', x: nested(300) } } } } }));
    expect((await alice.raw('GET', `/v3/profile/${encodeURIComponent(stranger)}`)).bytes.length).toBeLessThan(500);
    const found = await alice.request('POST', '/v3/keys/query', { device_keys: { [stranger]: [] } });
    expect(Object.keys(found.device_keys[stranger])).toEqual(['D50']);
    const claimed = await alice.request('POST', '/v3/keys/claim', { one_time_keys: { [stranger]: { D50: 'signed_curve25519' } } });
    expect(claimed.one_time_keys).toEqual({});
  });

  it('keeps messages to devices of other servers out that clients could not read', async () => {
    const edu = (levels: number) => ({ edu_type: 'm.direct_to_device', content: { sender: hostile.user('x'), type: 'org.example.deep', message_id: `${levels}`, messages: { [alice.userId]: { '*': nested(levels) } } } });
    await hostile.send(a, [], [edu(300), edu(50)]);
    const seen = await eventually(async () => (await alice.request('GET', '/v3/sync')).to_device?.events?.filter((event: Json) => event.type === 'org.example.deep'));
    expect(seen).toHaveLength(1);
  });
});

/** Members in order, as a parser of another kind reads them: the one under test has to do without. */
function entries(json: string): [string, unknown][] {
  return [...json.matchAll(/("(?:[^"\\]|\\.)*"):(\d+)/g)].map(([, key, value]) => [JSON.parse(key!) as string, Number(value)]);
}

function entriesOf(value: object): [string, unknown][] {
  return Object.entries(value);
}
