import { AccountDirectory } from '../../apps/homeserver/src/accounts/account-directory.js';
import { Passwords } from '../../apps/homeserver/src/auth/passwords.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { RawResponse, TestClient } from '../network/test-client.js';
import { allRoutes, filled, type Route } from './all-routes.js';
import { HostileServer } from './hostile-server.js';
import { tableCounts } from './table-counts.js';

const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

/** JSON, and never what a route asks for. */
const WRONG_TYPES = { list: '[]', null: 'null', text: '"x"', number: '1', boolean: 'true', deep: deep(100_000) };

/** Members that some route or other asks for. */
const MEMBERS = [
  'type', 'identifier', 'user', 'password', 'username', 'auth', 'device_id', 'devices', 'display_name', 'displayname', 'messages', 'user_id', 'room_id',
  'reason', 'typing', 'timeout', 'filter', 'room', 'presence', 'device_keys', 'one_time_keys', 'master_key', 'record', 'rooms', 'account', 'genesis',
  'conditions', 'actions', 'pattern', 'enabled', 'order', 'm.read', 'thread_id', 'new_password', 'invite', 'initial_state', 'creation_content',
  'power_level_content_override', 'preset', 'room_version', 'suspended', 'locked', 'nonce', 'mac', 'pdus', 'edus', 'event', 'invite_room_state',
  'latest_events', 'earliest_events', 'limit', 'server_keys', 'ops', 'vector', 'membership', 'state_key', 'content', 'redacts', 'uses_allowed',
];
const everyMember = (value: unknown) => JSON.stringify(Object.fromEntries(MEMBERS.map((name) => [name, value])));

/** Objects whose members are of the wrong kind. */
const ODD_OBJECTS = {
  empty: '{}',
  numbers: everyMember(1),
  texts: everyMember('x'),
  NULs: everyMember('a\0b'),
  'lone surrogates': everyMember('@\ud800:x'),
  nulls: everyMember(null),
  lists: everyMember([]),
  'lists of odd things': everyMember([1, null, 'x', [], {}]),
  objects: everyMember({}),
  'objects of odd things': everyMember({ x: 1, '': null, '@a:b': [], '!a:b': { x: {} }, __proto__x: 1 }),
  floats: everyMember(1.5),
  'huge numbers': everyMember(0).replaceAll(':0', ':1e400'),
  'members called __proto__': '{"__proto__":{"isAdmin":true},"constructor":{"prototype":1},"type":{"__proto__":[]}}',
  'deep lists': everyMember(0).replaceAll(':0', `:${deep(5_000)}`),
};

const ODD_PARAMETERS = {
  long: 'x'.repeat(300),
  'very long': 'x'.repeat(3_000),
  NUL: 'a%00b',
  traversal: '..%2F..%2Fetc%2Fpasswd',
  dots: '%2E%2E',
  'not UTF-8': '%ff',
  percent: '%',
  user: '%40' + 'x'.repeat(300) + ':localhost',
  room: '!' + 'x'.repeat(300) + ':localhost',
  alias: '%23%F0%9F%98%80%01:',
  prototype: '__proto__',
  quote: `'%22%5C`,
};

const ODD_QUERY = ['since', 'from', 'to', 'limit', 'dir', 'filter', 'timeout', 'at', 'via', 'ver', 'v', 'event_id', 'user_id', 'room_alias', 'format',
  'membership', 'access_token', 'ts', 'io.partyline.txn', 'io.partyline.replicas', 'kind', 'full_state', 'minimum_valid_until_ts', 'token', 'username'];
const ODD_QUERIES = ['x', '-1', '1e9', '99999999999999999999', '', '{', '%00', '%f0%9f%98%80', '[]', '{"room":{"timeline":{"limit":-1}}}'];

describe('bad input on every route', () => {
  let net: Network;
  let hostile: HostileServer;
  let alice: TestClient;
  let admin: TestClient;
  let roomId: string;
  let otherRoomId: string;
  let routes: Route[];
  beforeAll(async () => {
    net = await Network.start();
    hostile = await HostileServer.start();
    alice = await net.client().register('alice');
    await net.client().register('victim');
    // Its keys are fetched and stored with the first request.
    await hostile.raw(net.server('a'), 'GET', '/_matrix/federation/v1/query/profile');
    const passwordHash = await net.server('a').get(Passwords).hash('password of root');
    await net.server('a').get(AccountDirectory).create({ userId: `@root:${net.server('a').name}`, passwordHash, isAdmin: true });
    admin = await net.client().login('root');
    roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
    otherRoomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' })).room_id;
    routes = allRoutes(net.server('a'));
  });
  afterAll(async () => {
    await hostile?.stop();
    await net?.stop();
  });

  const known: Record<string, () => string> = {
    userId: () => alice.userId, roomId: () => roomId, roomIdOrAlias: () => roomId, deviceId: () => alice.deviceId, roomAlias: () => `%23x:${net.server('a').name}`,
    eventId: () => '$' + 'A'.repeat(43), serverName: () => 'localhost:1', eventType: () => 'm.odd', type: () => 'm.odd', txnId: () => 'txn', keyName: () => 'm.odd',
    receiptType: () => 'm.read', scope: () => 'global', kind: () => 'override', ruleId: () => '.m.rule.master', filterId: () => '0', tag: () => 'u.odd',
  };
  // Whoever leaves a room is refused everything else in it.
  const isMove = ({ path }: Route) => /\/(join|leave|forget)/.test(path);
  const valueOf = (route: Route, name: string) => (isMove(route) && name.startsWith('roomId') ? otherRoomId : (known[name]?.() ?? 'x'));
  const plain = (route: Route) => filled(route, (name) => valueOf(route, name));
  const hasBody = (route: Route) => route.method !== 'GET';

  /** A session that the request may end, of somebody else. */
  const session = () => net.client().login('victim');
  const isEnding = (route: Route) => /\/logout|\/deactivate|\/devices|\/delete_devices|\/password/.test(route.path);
  async function call(route: Route, path: string, body?: string): Promise<RawResponse> {
    if (route.auth.mode === 'server') return hostile.raw(net.server('a'), route.method, path, body);
    return (route.auth.admin ? admin : isEnding(route) ? await session() : alice).raw(route.method, path, body);
  }

  /** Refused for the request's fault, in Matrix's form. */
  function problemOf(what: string, { status, body, bytes }: RawResponse): string[] {
    const isError = status >= 400 && status < 500 && typeof body?.error === 'string' && /^(M|IO_PARTYLINE)_[A-Z_]+$/.test(body.errcode);
    const isUia = status === 401 && Array.isArray(body?.flows);
    return isError || isUia ? [] : [`${what}: ${status} ${bytes.toString().slice(0, 120)}`];
  }
  /** The same, or done, or that another server is not there. */
  const crashOf = (what: string, answer: RawResponse) =>
    (answer.status < 400 || (answer.status === 502 && /cannot be reached/.test(answer.body?.error)) ? [] : problemOf(what, answer));

  /** In slices, so that the walk is quick and nothing waits for a turn. */
  async function walk(cases: readonly (() => Promise<string[]>)[]): Promise<string[]> {
    const problems: string[] = [];
    for (let i = 0; i < cases.length; i += 16) problems.push(...(await Promise.all(cases.slice(i, i + 16).map((one) => one()))).flat());
    // Else everything after it was refused for its token.
    await alice.request('GET', '/v3/account/whoami');
    await admin.request('GET', '/v3/account/whoami');
    return problems;
  }

  it('sees all routes', () => {
    expect(routes.length).toBeGreaterThan(100);
    expect(routes.some((route) => route.path === '/_matrix/client/v3/rooms/:roomId/send/:eventType/:txnId')).toBe(true);
  });

  it('asks for a token or a signature', async () => {
    const refusals: Record<string, [number, string]> = {
      user: [401, 'M_MISSING_TOKEN'], 'user-or-guest': [401, 'M_MISSING_TOKEN'], server: [401, 'M_UNAUTHORIZED'],
    };
    const guarded = routes.filter((route) => refusals[route.auth.mode]);
    const before = await tableCounts(net.server('a'));
    const problems = await walk(guarded.map((route) => async () => {
      const { status, body } = await alice.raw(route.method, plain(route), hasBody(route) ? '{}' : undefined, { anonymous: true });
      const got = `${status} ${body?.errcode}`;
      return got === refusals[route.auth.mode]!.join(' ') ? [] : [`${route.method} ${route.path}: ${got}`];
    }));
    expect(problems).toEqual([]);
    expect(guarded.length).toBeGreaterThan(90);
    expect(await tableCounts(net.server('a'))).toEqual(before);
  });

  it('refuses bodies that are no JSON', async () => {
    const before = await tableCounts(net.server('a'));
    const withBody = routes.filter((route) => hasBody(route) && !isBodyless(route) && route.auth.mode !== 'custom' && !isEnding(route));
    const problems = await walk(withBody.flatMap((route) => ['{"a":', 'nonsense', '{"a":1}}', '\0'].map((text) => async () => {
      const { status, body } = await call(route, plain(route), text);
      return status === 400 && body?.errcode === 'M_NOT_JSON' ? [] : [`${route.method} ${route.path} ${text}: ${status} ${body?.errcode}`];
    })));
    expect(problems).toEqual([]);
    expect(await tableCounts(net.server('a'))).toEqual(before);
  });

  it('refuses bodies of the wrong type, and stores nothing', async () => {
    const before = await tableCounts(net.server('a'));
    const withBody = routes.filter((route) => hasBody(route) && !isBodyless(route) && !isEnding(route));
    const problems = await walk(withBody.flatMap((route) => Object.entries(WRONG_TYPES).map(([name, text]) => async () =>
      problemOf(`${route.method} ${route.path} with ${name}`, await call(route, plain(route), text)))));
    expect(problems).toEqual([]);
    expect(await tableCounts(net.server('a'))).toEqual(before);
  }, 120_000);

  it('never fails for objects with odd members', async () => {
    const problems = await walk(routes.filter(hasBody).flatMap((route) => Object.entries(ODD_OBJECTS).map(([name, text]) => async () =>
      crashOf(`${route.method} ${route.path} with ${name}`, await call(route, plain(route), text)))));
    expect(problems).toEqual([]);
  }, 120_000);

  it('never fails for odd identifiers', async () => {
    const withParameters = routes.filter((route) => route.path.includes(':'));
    const problems = await walk(withParameters.flatMap((route) => Object.entries(ODD_PARAMETERS).flatMap(([name, value]) => {
      const names = [...route.path.matchAll(/:([A-Za-z]+)/g)].map((match) => match[1]!);
      return names.map((odd) => async () => {
        const path = filled(route, (parameter) => (parameter === odd ? value : valueOf(route, parameter)));
        return crashOf(`${route.method} ${route.path} with ${odd} ${name}`, await call(route, path, hasBody(route) ? '{}' : undefined));
      });
    })));
    expect(problems).toEqual([]);
  }, 120_000);

  it('never fails for odd queries', async () => {
    const problems = await walk(routes.flatMap((route) => [...ODD_QUERIES, 'twice'].map((value) => async () => {
      const one = (name: string) => (value === 'twice' ? `${name}=a&${name}=b` : `${name}=${encodeURIComponent(value).replace('%2500', '%00')}`);
      // A token in the query of a request with an Authorization header counts for nothing.
      const path = `${plain(route)}?${ODD_QUERY.map(one).join('&')}`;
      return crashOf(`${route.method} ${route.path}?…=${value}`, await call(route, path, hasBody(route) ? '{}' : undefined));
    })));
    expect(problems).toEqual([]);
  });

  it('tells wrong methods and unknown paths, and lives on', async () => {
    const byPath = new Map<string, Set<string>>();
    // Pages are not Matrix.
    for (const route of routes.filter(({ path }) => path.startsWith('/_'))) byPath.set(route.path, (byPath.get(route.path) ?? new Set()).add(route.method));
    const problems = await walk([...byPath].flatMap(([path, methods]) => ['GET', 'PUT', 'POST', 'DELETE', 'PATCH'].filter((method) => !methods.has(method))
      .map((method) => async () => {
        const { status, body } = await alice.raw(method, plain({ method, path, auth: { mode: 'none' } }), method === 'GET' ? undefined : '{}');
        // The same address may be a route with parameters of another controller.
        const isOther = status < 500 && routes.some((route) => route.method === method && matches(route.path, path));
        return (status === 405 && body?.errcode === 'M_UNRECOGNIZED') || isOther ? [] : [`${method} ${path}: ${status} ${body?.errcode}`];
      })));
    expect(problems).toEqual([]);
    for (const method of ['GET', 'PUT', 'POST', 'DELETE', 'PATCH']) {
      for (const path of ['/_matrix/client/v3/nonsense', '/_matrix/federation/v1/nonsense', '/_matrix/nonsense', '/_matrix/client/v99/sync', '/_synapse/x']) {
        await alice.expectError(404, 'M_UNRECOGNIZED', method, path, method === 'GET' ? undefined : '{');
      }
    }
    await alice.request('PUT', `/v3/rooms/${roomId}/send/m.room.message/after`, { body: 'still here', msgtype: 'm.text' });
    await eventually(async () => JSON.stringify(await alice.request('GET', '/v3/sync')).includes('still here'));
  });
});

/** Routes that change something and take no JSON, so that they do not look at it. */
function isBodyless({ path, method }: Route): boolean {
  return (method === 'DELETE' && !path.includes('/devices/')) || /\/(forget|logout|logout\/all|request_token|media\/v1\/create|media\/v3\/upload(\/.*)?)$/.test(path);
}

function matches(pattern: string, path: string): boolean {
  const source = pattern.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[A-Za-z]+/g, '[^/]+');
  return new RegExp(`^${source}$`).test(path.replace(/:[A-Za-z]+/g, 'x'));
}
