import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { tableCounts } from './table-counts.js';

/** What other servers take that count an empty `unsigned` with it. */
const MAX_EVENT_BYTES = 65_522;
const room = (roomId: string) => `/v3/rooms/${encodeURIComponent(roomId)}`;

describe('limits, at the limit', () => {
  let net: Network;
  let alice: TestClient;
  beforeAll(async () => {
    net = await Network.start({ servers: 2 });
    alice = await net.client('a').register('alice');
  });
  afterAll(() => net?.stop());

  const create = async (body: Json = {}) => (await alice.request('POST', '/v3/createRoom', body)).room_id as string;
  const user = () => `/v3/user/${encodeURIComponent(alice.userId)}`;
  const profile = () => `/v3/profile/${encodeURIComponent(alice.userId)}`;
  /** The event as other servers get it: its canonical JSON is the length that counts. */
  async function wireBytes(roomId: string, eventId: string): Promise<number> {
    const stored = await net.server('a').get(EventsStore).byId(roomId, eventId);
    return Buffer.byteLength(stored!.event.json);
  }

  describe.each(['10', '11', '12', 'io.partyline.1'])('an event in a room of version %s', (version) => {
    let roomId: string;
    beforeAll(async () => {
      roomId = await create({ room_version: version });
    });
    const send = (txn: string, body: string) => alice.raw('PUT', `${room(roomId)}/send/m.odd/${txn}`, { body });

    it('has at most 65,522 bytes, whatever characters they are', async () => {
      // The first message tells what is around the text; depth and the rest stay as long.
      for (let i = 0; i < 3; i++) expect((await send(`warm${i}`, 'x')).status).toBe(200);
      const around = (await wireBytes(roomId, (await send('measure', '')).body.event_id));
      const fits = await send('fits', 'x'.repeat(MAX_EVENT_BYTES - around));
      expect(fits.status).toBe(200);
      expect(await wireBytes(roomId, fits.body.event_id)).toBe(MAX_EVENT_BYTES);
      const more = await send('more', 'x'.repeat(MAX_EVENT_BYTES - around + 1));
      expect([more.status, more.body.errcode]).toEqual([413, 'M_TOO_LARGE']);
      // Three bytes each, and two of them for one unit of UTF-16: what counts is bytes.
      const wide = await send('wide', '€'.repeat(Math.ceil((MAX_EVENT_BYTES - around) / 3) + 1));
      expect([wide.status, wide.body.errcode]).toEqual([413, 'M_TOO_LARGE']);
      const { body } = await alice.raw('GET', `${room(roomId)}/event/${encodeURIComponent(fits.body.event_id)}`);
      expect(body.content.body).toHaveLength(MAX_EVENT_BYTES - around);
    });

    it('has types and state keys of at most 255 bytes', async () => {
      const put = (type: string, key: string) => `${room(roomId)}/state/${encodeURIComponent(type)}/${encodeURIComponent(key)}`;
      for (const [longest, longer] of [['t'.repeat(255), 't'.repeat(256)], ['ü'.repeat(127), 'ü'.repeat(128)]] as const) {
        await alice.request('PUT', put(longest, 'k'), { a: 1 });
        await alice.request('PUT', put('m.odd', longest), { a: 1 });
        await alice.request('PUT', `${room(roomId)}/send/${encodeURIComponent(longest)}/long${longest.length}`, { a: 1 });
        await alice.expectError(413, 'M_TOO_LARGE', 'PUT', put(longer, 'k'), { a: 1 });
        await alice.expectError(413, 'M_TOO_LARGE', 'PUT', put('m.odd', longer), { a: 1 });
        await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${room(roomId)}/send/${encodeURIComponent(longer)}/longer${longest.length}`, { a: 1 });
      }
    });

    it('holds integers up to 2^53 - 1, no floats, and no half characters', async () => {
      const path = (txn: string) => `${room(roomId)}/send/m.odd/${txn}`;
      const before = await tableCounts(net.server('a'));
      for (const [i, text] of ['1.5', '9007199254740992', '-9007199254740992', '1e400', '"\\ud800"', `${'['.repeat(1_001)}${']'.repeat(1_001)}`].entries()) {
        await alice.expectError(400, 'M_BAD_JSON', 'PUT', path(`bad${i}`), `{"a":{"b":[${text}]}}`);
      }
      expect((await tableCounts(net.server('a'))).events).toBe(before['events']);
      for (const [i, text] of ['9007199254740991', '-9007199254740991', '1e3', '1.0', '-0'].entries()) {
        await alice.request('PUT', path(`good${i}`), `{"a":{"b":[${text}]}}`);
      }
    });
  });

  it('does not make a room whose first events are too large', async () => {
    const rooms = (await tableCounts(net.server('a')))['rooms'];
    await alice.expectError(413, 'M_TOO_LARGE', 'POST', '/v3/createRoom', { name: 'x'.repeat(65_536) });
    await alice.expectError(413, 'M_TOO_LARGE', 'POST', '/v3/createRoom', { creation_content: { a: 'x'.repeat(65_536) } });
    await alice.expectError(400, 'M_INVALID_ROOM_STATE', 'POST', '/v3/createRoom', { initial_state: [{ type: 'm.odd', content: { a: 1.5 } }] });
    await alice.expectError(400, 'M_BAD_JSON', 'POST', '/v3/createRoom', { creation_content: { a: 1.5 } });
    await alice.expectError(400, 'M_INVALID_ROOM_STATE', 'POST', '/v3/createRoom', { power_level_content_override: { ban: 1.5 } });
    await alice.expectError(400, 'M_UNSUPPORTED_ROOM_VERSION', 'POST', '/v3/createRoom', { room_version: '99' });
    expect((await tableCounts(net.server('a')))['rooms']).toBe(rooms);
  });

  it('invites at most 1,000 with a new room', async () => {
    const invite = Array.from({ length: 1_001 }, (_, i) => `@nobody${i}:${net.server('a').name}`);
    const rooms = (await tableCounts(net.server('a')))['rooms'];
    await alice.expectError(400, 'M_BAD_JSON', 'POST', '/v3/createRoom', { invite });
    await alice.expectError(400, 'M_BAD_JSON', 'POST', '/v3/createRoom', { invite: ['alice'] });
    expect((await tableCounts(net.server('a')))['rooms']).toBe(rooms);
    await create({ invite: invite.slice(1) });
  });

  it('has aliases of at most 255 bytes', async () => {
    const around = `#:${net.server('a').name}`.length;
    await create({ room_alias_name: 'n'.repeat(255 - around) });
    const rooms = (await tableCounts(net.server('a')))['rooms'];
    await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v3/createRoom', { room_alias_name: 'n'.repeat(256 - around) });
    expect((await tableCounts(net.server('a')))['rooms']).toBe(rooms);
    const roomId = await create();
    const alias = (length: number) => `/v3/directory/room/${encodeURIComponent(`#${'m'.repeat(length)}:${net.server('a').name}`)}`;
    await alice.request('PUT', alias(255 - around), { room_id: roomId });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', alias(256 - around), { room_id: roomId });
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', alias(256 - around));
  });

  it('bounds messages to devices', async () => {
    const put = (content: Json, txn: string, type = 'm.odd') => alice.raw('PUT', `/v3/sendToDevice/${type}/${txn}`, { messages: { [alice.userId]: { '*': content } } });
    const around = JSON.stringify({ a: '' }).length;
    expect((await put({ a: 'x'.repeat(65_536 - around) }, '1')).status).toBe(200);
    const larger = await put({ a: 'x'.repeat(65_537 - around) }, '2');
    expect([larger.status, larger.body.errcode]).toEqual([413, 'M_TOO_LARGE']);
    expect((await put({ a: 1 }, '3', 't'.repeat(255))).status).toBe(200);
    expect((await put({ a: 1 }, '4', 't'.repeat(256))).body.errcode).toBe('M_INVALID_PARAM');
    const sync = await alice.request('GET', '/v3/sync');
    expect(sync.to_device.events).toHaveLength(2);
  });

  it('tells another server of a message of the full size', async () => {
    const bob = await net.client('b').register('bob');
    const content = { a: 'x'.repeat(65_536 - JSON.stringify({ a: '' }).length) };
    await alice.request('PUT', '/v3/sendToDevice/m.odd/far', { messages: { [bob.userId]: { [bob.deviceId]: content } } });
    const events = await eventually(async () => {
      const { to_device: toDevice } = await bob.request('GET', '/v3/sync');
      return toDevice?.events?.length ? toDevice.events : undefined;
    });
    expect(events[0].content).toEqual(content);
  });

  it('bounds account data, tags and filters', async () => {
    const data = (length: number) => ({ a: 'x'.repeat(length - JSON.stringify({ a: '' }).length) });
    await alice.request('PUT', `${user()}/account_data/m.odd`, data(512 * 1024));
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${user()}/account_data/m.odd`, data(512 * 1024 + 1));
    expect(JSON.stringify(await alice.request('GET', `${user()}/account_data/m.odd`))).toHaveLength(512 * 1024);
    await alice.request('PUT', `${user()}/account_data/${'t'.repeat(255)}`, {});
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${user()}/account_data/${'t'.repeat(256)}`, {});
    const roomId = await create();
    await alice.request('PUT', `${user()}/rooms/${roomId}/tags/${'t'.repeat(255)}`, {});
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${user()}/rooms/${roomId}/tags/${'t'.repeat(256)}`, {});
    const filter = (length: number) => {
      const made = { room: { timeline: { not_types: [] as string[] } } };
      const types = made.room.timeline.not_types;
      while (JSON.stringify(made).length < length - 210) types.push('t'.repeat(200));
      types.push('');
      types[types.length - 1] = 't'.repeat(length - JSON.stringify(made).length);
      return made;
    };
    await alice.request('POST', `${user()}/filter`, filter(65_536));
    await alice.expectError(413, 'M_TOO_LARGE', 'POST', `${user()}/filter`, filter(65_537));
  });

  it('bounds profiles', async () => {
    await alice.request('PUT', `${profile()}/displayname`, { displayname: 'ü'.repeat(512) });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${profile()}/displayname`, { displayname: `${'ü'.repeat(512)}x` });
    await alice.request('PUT', `${profile()}/${'m.' + 'x'.repeat(253)}`, { [`m.${'x'.repeat(253)}`]: 1 });
    await alice.expectError(400, 'M_KEY_TOO_LARGE', 'PUT', `${profile()}/${'m.' + 'x'.repeat(254)}`, { [`m.${'x'.repeat(254)}`]: 1 });
    const around = JSON.stringify({ ...(await alice.request('GET', profile())), 'm.odd': '' }).length
      + Buffer.byteLength('ü'.repeat(512)) - 512;
    await alice.request('PUT', `${profile()}/m.odd`, { 'm.odd': 'x'.repeat(65_536 - around) });
    await alice.expectError(400, 'M_PROFILE_TOO_LARGE', 'PUT', `${profile()}/m.odd`, { 'm.odd': 'x'.repeat(65_537 - around) });
  });

  it('bounds what somebody is called, and devices', async () => {
    const longest = 255 - `@:${net.server('a').name}`.length;
    await net.client('a').register('u'.repeat(longest), 'long enough');
    const register = (username: Json, extra: Json = {}) =>
      net.client('a').raw('POST', '/v3/register', { username, password: 'long enough', auth: { type: 'm.login.dummy' }, ...extra });
    expect((await register('u'.repeat(longest + 1))).body.errcode).toBe('M_INVALID_USERNAME');
    const login = (deviceId: string) => net.client('a').login('alice', undefined, { device_id: deviceId });
    await login('D'.repeat(255));
    await expect(login('D'.repeat(256))).rejects.toThrow('400');
    await expect(login('D\0')).rejects.toThrow('M_BAD_JSON');
  });

  it('bounds bodies', async () => {
    const roomId = await create();
    const body = (length: number) => `{"a":"${'x'.repeat(length - 8)}"}`;
    // The body is within its limit, the event is not.
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${room(roomId)}/send/m.odd/large`, body(4 * 1024 * 1024));
    const refused = await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${room(roomId)}/send/m.odd/larger`, body(4 * 1024 * 1024 + 1));
    expect(refused.error).toContain('body');
  });
});
