import { randomBytes } from 'node:crypto';
import { compareRecords, type HomeRecord } from '../../libs/federation/src/index.js';
import type { Network } from '../network/network.js';
import { homesPath } from '../network/person.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostilePerson } from './hostile-person.js';
import type { HostileServer } from './hostile-server.js';
import { HostileWorld } from './hostile-world.js';
import { tableCounts } from './table-counts.js';

let world: HostileWorld;
let net: Network;
let hostile: HostileServer;
let a: TestServer;
let b: TestServer;
let bob: TestClient;

beforeAll(async () => {
  world = await HostileWorld.start();
  ({ net, hostile, a, b, bob } = world);
});
afterAll(() => world?.stop());

const FEDERATION = '/_matrix/federation/unstable/io.partyline';

describe('home records', () => {
  let mallory: HostilePerson;
  beforeEach(async () => {
    mallory = new HostilePerson(`m${randomBytes(3).toString('hex')}`, hostile);
    await publish(mallory.record);
  });

  it('are refused when they do not prove themselves, from clients and from servers', async () => {
    const other = new HostilePerson('other', hostile);
    const next = { seq: 1 };
    const homes = Array.from({ length: 6 }, (_, i) => ({ ...mallory.entry(), server_name: `h${i}.example` }));
    const cases: [string, number, string, unknown][] = [
      ['six homes', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes })],
      ['a home twice', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes: [mallory.entry(), mallory.entry()] })],
      ['a home that is no server', 400, 'M_BAD_JSON', mallory.signed({ ...next, homes: [{ ...mallory.entry(), server_name: 'no server' }] })],
      ['a float', 400, 'M_BAD_JSON', { ...mallory.next(), seq: 1.5 }],
      ['no signature', 400, 'M_BAD_JSON', { ...mallory.next(), signature: undefined }],
      ['more than 8 KiB', 400, 'M_BAD_JSON', mallory.signed({ ...next, extra: 'x'.repeat(8_192) })],
      ['a broken signature', 403, 'M_FORBIDDEN', { ...mallory.next(), seq: 5 }],
      ['the signature of another key', 403, 'M_FORBIDDEN', mallory.signed(next, other.key)],
      ['another genesis', 403, 'M_FORBIDDEN', mallory.signed({ ...next, genesis: other.genesis }, other.key)],
      ['an epoch without certificate', 403, 'M_FORBIDDEN', mallory.signed({ epoch: 1 })],
      ['the name of another account', 403, 'M_FORBIDDEN', mallory.signed({ user_id: bob.userId })],
    ];
    const before = await tableCounts(a);
    for (const [name, status, errcode, record] of cases) {
      const put = await net.client('a').raw('PUT', `${homesPath}/account/record`, { record });
      expect([name, put.status, put.body?.errcode]).toEqual([name, status, errcode]);
      const post = await hostile.raw(a, 'POST', `${FEDERATION}/record`, record);
      expect([name, post.status, post.body?.errcode]).toEqual([name, status, errcode]);
    }
    expect(await tableCounts(a)).toEqual(before);
    expect(await hostile.request(a, 'GET', `${FEDERATION}/record/${encodeURIComponent(mallory.userId)}`)).toEqual(mallory.record);
  });

  it('of a named account are refused with a genesis that its domain does not stand for', async () => {
    const named = { ...mallory.genesis, label: 'bob', server_name: b.name };
    const record = mallory.signed({ user_id: bob.userId, genesis: named });
    for (const endorsement of [undefined, { [hostile.key.keyId]: hostile.key.sign('{}') }]) {
      const claimed = mallory.signed({ endorsement }, mallory.key, record);
      await hostile.expectError(403, 'M_FORBIDDEN', a, 'POST', `${FEDERATION}/record`, claimed);
      await hostile.expectError(403, 'M_FORBIDDEN', b, 'POST', `${FEDERATION}/record`, claimed);
    }
  });

  it('do not go back', async () => {
    const old = mallory.record;
    mallory.record = mallory.next();
    await publish(mallory.record);
    const refused = await net.client('a').expectError(409, 'IO_PARTYLINE_STALE_RECORD', 'PUT', `${homesPath}/account/record`, { record: old });
    expect(refused.record).toEqual(mallory.record);
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, old)).toEqual(mallory.record);
  });

  it('of one version converge on one of them, whatever the order', async () => {
    const twins = [mallory.signed({ seq: 1, master_key: null, a: 1 }), mallory.signed({ seq: 1, master_key: null, a: 2 })];
    const [kept, lost] = twins.sort(compareRecords).reverse() as [HomeRecord, HomeRecord];
    // A hears of the lower one first, B of the higher one.
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, lost)).toEqual(lost);
    expect(await hostile.request(a, 'POST', `${FEDERATION}/record`, kept)).toEqual(kept);
    expect(await hostile.request(b, 'POST', `${FEDERATION}/record`, kept)).toEqual(kept);
    expect(await hostile.request(b, 'POST', `${FEDERATION}/record`, lost)).toEqual(kept);
    expect((await net.client('b').raw('PUT', `${homesPath}/account/record`, { record: lost })).status).toBe(409);
  });

  /** As a client does, without a token. */
  const publish = (record: HomeRecord) => net.client('a').request('PUT', `${homesPath}/account/record`, { record });
});
