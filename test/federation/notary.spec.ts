import { HostileServer } from '../hostile/hostile-server.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';

// Key objects of others, as a notary tells them (server-server API, "Querying keys through another server").
let net: Network;
let other: HostileServer;
beforeAll(async () => {
  net = await Network.start();
  other = await HostileServer.start();
});
afterAll(() => Promise.all([other.stop(), net.stop()]));

const fetches = (): number => other.requests.filter(({ path }) => path.startsWith('/_matrix/key/v2/server')).length;
const query = async (keyId: string, minimum: number): Promise<Json[]> =>
  (await net.client().request('POST', '/_matrix/key/v2/query', { server_keys: { [other.name]: { [keyId]: { minimum_valid_until_ts: minimum } } } })).server_keys;

it('asks again for a later time, a few times in a row, and tells an expired answer rather than none', async () => {
  other.keyLifetimeMs = -3_600_000;
  const [first] = await query(other.key.keyId, 0);
  expect(first!['valid_until_ts']).toBeLessThan(Date.now());
  const before = fetches();
  expect(await query(other.key.keyId, first!['valid_until_ts'] + 1_000_000)).toHaveLength(1);
  expect(fetches()).toBe(before + 1);
  other.refusesKeys = true;
  expect((await query(other.key.keyId, Date.now()))[0]!['verify_keys']).toHaveProperty([other.key.keyId]);
  expect(fetches()).toBe(before + 2);
  for (let i = 0; i < 8; i++) await query(other.key.keyId, Date.now());
  expect(fetches()).toBeLessThanOrEqual(before + 5);
});

it('does not forget a key that its server names no more', async () => {
  const third = await HostileServer.start();
  try {
    const gone = third.key;
    const keys = (keyId: string, minimum: number) =>
      net.client().request('POST', '/_matrix/key/v2/query', { server_keys: { [third.name]: { [keyId]: { minimum_valid_until_ts: minimum } } } });
    expect((await keys(gone.keyId, 0)).server_keys[0].verify_keys).toHaveProperty([gone.keyId]);
    third.forget();
    const later = Date.now() + 2 * 24 * 3_600_000;
    third.keyLifetimeMs = 3 * 24 * 3_600_000;
    expect((await keys(third.key.keyId, later)).server_keys[0].verify_keys).toHaveProperty([third.key.keyId]);
    expect((await keys(gone.keyId, 0)).server_keys).toMatchObject([{ verify_keys: { [gone.keyId]: {} }, signatures: { [net.server('a').name]: {} } }]);
  } finally {
    await third.stop();
  }
});
