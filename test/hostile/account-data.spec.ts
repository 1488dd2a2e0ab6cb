import { randomBytes } from 'node:crypto';
import { operationHash, type AccountOperation } from '../../libs/federation/src/index.js';
import { AccountOps } from '../../apps/homeserver/src/accounts/account-ops.js';
import { eventually } from '../network/eventually.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileHome } from './hostile-home.js';
import { HostilePerson } from './hostile-person.js';
import type { HostileServer } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let hostile: HostileServer;
let a: TestServer;
let alice: TestClient;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start(async (net) => {
    owner = await Person.selfCertified('alice', net.server('a'));
    return owner.at(net.server('a'));
  });
  ({ hostile, a, alice, bob } = world);
});
afterAll(() => world?.stop());

const VERSION = 'io.partyline.1';
const FEDERATION = '/_matrix/federation/unstable/io.partyline';

let owner: Person;

describe('data of an account', () => {
  it('is not for servers that are no homes', async () => {
    const user = encodeURIComponent(owner.userId);
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: VERSION });
    const cases: [string, string, Json?][] = [
      ['GET', `/account/${user}/snapshot`], ['POST', `/account/${user}/ops/missing`, { since: {} }], ['POST', `/account/${user}/digest`, { buckets: Array.from({ length: 256 }, () => '') }], ['POST', `/account/${user}/ops`, { ops: [] }],
      ['GET', `/attach/${encodeURIComponent(roomId)}?user_id=${user}`], ['POST', `/attach/${encodeURIComponent(roomId)}`, { user_id: owner.userId }],
    ];
    for (const [method, uri, body] of cases) await hostile.expectError(403, 'M_FORBIDDEN', a, method, `${FEDERATION}${uri}`, body);
    // Nor does a record help that the account key has not signed.
    const forged = { ...owner.record, seq: 9, homes: [...owner.record.homes, new HostilePerson('x', hostile).entry()] };
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/account/${user}/ops`, { ops: [], record: forged });
    await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/attach/${encodeURIComponent(roomId)}`, { user_id: owner.userId, record: forged });
  });

  it('takes no typing, receipts, messages or devices from servers that do not speak for the sender', async () => {
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' });
    await bob.request('POST', `${path(roomId)}/join`, {}, { query: { via: a.name } });
    const { event_id: eventId } = await alice.request('PUT', `${path(roomId)}/send/m.room.message/1`, { body: 'x', msgtype: 'm.text' });
    const before = await tableCounts(a);
    const message = (sender: unknown, messages: unknown) => ({ edu_type: 'm.direct_to_device', content: { sender, type: 'm.x', message_id: 'id', messages } });
    await hostile.send(a, [], [
      { edu_type: 'm.typing', content: { room_id: roomId, user_id: bob.userId, typing: true } },
      { edu_type: 'm.receipt', content: { [roomId]: { 'm.read': { [bob.userId]: { event_ids: [eventId], data: { ts: 1 } } } } } },
      message(bob.userId, { [owner.userId]: { '*': {} } }),
      message(owner.userId, { [owner.userId]: { '*': {} } }),
      { edu_type: 'm.device_list_update', content: { user_id: bob.userId, device_id: 'X', stream_id: 1, prev_id: [], keys: {} } },
      { edu_type: 'm.signing_key_update', content: { user_id: bob.userId } },
      { edu_type: 'm.presence', content: { push: 'x' } },
    ]);
    // Wrong types of all kinds, of a server that would speak for the sender.
    const odd = [null, 1, 'x', [], {}, '__proto__', 'a\0b', '\ud800', 2 ** 53, 1.5, { x: { y: 1 } }, ['x', null]];
    const kinds = ['m.typing', 'm.receipt', 'm.direct_to_device', 'm.device_list_update', 'm.signing_key_update', 'm.presence'];
    const members = ['room_id', 'user_id', 'typing', 'sender', 'type', 'message_id', 'messages', 'device_id', 'stream_id', 'prev_id', 'keys', 'deleted', 'push', roomId];
    for (const value of odd) {
      const wrong = kinds.map((edu_type) => ({ edu_type, content: { sender: hostile.user('x'), user_id: hostile.user('x'), ...Object.fromEntries(members.filter((name) => name !== 'user_id').map((name) => [name, value])) } }));
      await hostile.send(a, [], [...wrong, { edu_type: value, content: {} }, { edu_type: 'm.typing', content: value }]);
    }
    const { rooms, to_device: toDevice } = await alice.request('GET', '/v3/sync');
    expect(JSON.stringify(rooms.join[roomId].ephemeral)).not.toContain(bob.userId);
    expect(toDevice?.events ?? []).toEqual([]);
    const after = await tableCounts(a);
    for (const table of ['receipts', 'to_device_messages', 'device_keys']) expect([table, after[table]]).toEqual([table, before[table]]);
  });

  it('survives a hostile home that the person chose, whatever it writes', async () => {
    const victim = await Person.selfCertified(`v${randomBytes(3).toString('hex')}`, a);
    const home = new HostileHome(hostile, victim.userId);
    await victim.publish(victim.next({ add: [home.entry] }), a);
    let prev: AccountOperation | null = null;
    const op = (kind: string, name: string, value: string, ms = Date.now()) => (prev = home.op(kind, name, JSON.parse(value), { prev, ms }));
    const values = ['null', '1', '"x"', '[]', '{}', 'true', '{"a":1.5}', '"\\u0000"', '"\\ud800"', '{"display_name":"\\u0000"}', '{"__proto__":{}}', '{"rules":7}', '[[[]]]', '"{\\"a\\":"', '"null"', '"[1]"'];
    const keys = ['x', '', '["!a:b","m.tag"]', '[]', '{}', 'master', '__proto__', 'm.push_rules', '["a\\u0000","m.read",""]', '["global","override",".m.rule.master"]', 'displayname'];
    for (const kind of [...[...a.get(AccountOps).kinds()].map(([name]) => name), 'closed', 'unheard of']) {
      const ops = values.flatMap((value) => keys.map((name) => op(kind, name, value)));
      const { status, body } = await home.hand(a, ops, { heads: [home.head(ops.at(-1)!)] });
      expect([kind, status, body?.heads.find((head: Json) => head.log === home.log)?.n]).toEqual([kind, 200, ops.at(-1)!.n]);
      // All of it is in the log; what the account's data did not take is named.
      for (const [log, , why] of body.refused) expect([log, why]).toEqual([home.log, expect.stringMatching(/^(M_\w+|not storable|unknown kind|against the record)$/)]);
    }
    // The account works on at its good home.
    const client = victim.at(a);
    for (const read of ['/v3/sync', '/v3/devices', '/v3/pushrules/', `/v3/profile/${encodeURIComponent(victim.userId)}`]) {
      expect([read, (await client.raw('GET', read)).status]).toEqual([read, 200]);
    }
    const { room_id: roomId } = await client.request('POST', '/v3/createRoom', { room_version: VERSION });
    await client.request('PUT', `${path(roomId)}/send/m.room.message/1`, { body: 'x', msgtype: 'm.text' });
    // A clock that is days ahead wins over what it did not know of, until the next write that saw it.
    const name = async () => (await client.request('GET', `/v3/profile/${encodeURIComponent(victim.userId)}`)).displayname;
    await home.hand(a, [op('profile', 'displayname', '"late"', Date.now() + 3 * 86_400_000)]);
    expect(await name()).toBe('late');
    await client.request('PUT', `/v3/profile/${encodeURIComponent(victim.userId)}/displayname`, { displayname: 'mine' });
    expect(await name()).toBe('mine');
    // A copy of the whole account holds what proves itself; nothing else of it is taken, nor a head that is not signed.
    const last = prev!;
    hostile.on(/\/account\/.*\/ops/, () => ({ snapshot_needed: true }));
    const head = home.head({ n: last.n + 100, hash: operationHash(last) });
    const planted = { ...home.op('profile', 'displayname', 'planted', { prev: last, ms: Date.now() + 9e9 }), signature: last.signature };
    const ownHead = { log: a.name, n: 9e15, hash: operationHash(last), key: home.key.publicKey, signature: last.signature };
    hostile.on(/\/account\/.*\/snapshot/, () => ({
      heads: [head, ownHead], rooms: {}, ops: [planted, { kind: 'profile', key: 'displayname', value: 'planted' }, null],
    }));
    await home.hand(a, [], { heads: [head] });
    await eventually(() => hostile.requests.some((request) => request.path.includes('/snapshot')));
    await client.request('PUT', `/v3/profile/${encodeURIComponent(victim.userId)}/m.tz`, { 'm.tz': 'UTC' });
    expect(await name()).toBe('mine');
  });
});
