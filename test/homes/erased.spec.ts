import { lastHomeRecord } from '#e2e';
import { erasedTables } from '../../apps/homeserver/src/accounts/account-kinds.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';

// Nothing of an account's data is left at any home when it has ended (protocol §2, "Deactivation").
let net: Network;
let a: TestServer;
let b: TestServer;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());

const needed = statement(
  'test.needed',
  `SELECT column_name AS name, data_type AS type FROM information_schema.columns
   WHERE table_name = $1 AND is_nullable = 'NO' AND is_identity = 'NO' AND column_default IS NULL`,
);
const LOGS = ['account_logs', 'account_ops', 'account_op_items'];
const userColumn = (table: string): string => (table === 'key_signatures' ? 'signer_id' : 'user_id');

/** Tables in which the account has rows. */
async function found(server: TestServer, userId: string, tables: readonly string[]): Promise<string[]> {
  const db = server.get(Database);
  const counts = await Promise.all(tables.map((table) => db.query(statement(`test.found.${table}`, `SELECT 1 FROM ${table} WHERE ${userColumn(table)} = $1 LIMIT 1`), [userId])));
  return tables.filter((_table, i) => counts[i]!.length > 0);
}

/** One row of the account in each of the tables, whatever their columns. */
async function fill(server: TestServer, userId: string, tables: readonly string[]): Promise<void> {
  const db = server.get(Database);
  for (const table of tables) {
    const columns = await db.query<{ name: string; type: string }>(needed, [table]);
    const values = columns.map(({ name, type }) => (name === userColumn(table) ? `'${userId}'` : (samples[type] ?? '1')));
    const names = columns.map(({ name }) => name).join(', ');
    await db.query(statement(`test.fill.${table}.${userId}`, `INSERT INTO ${table} (${names}) VALUES (${values.join(', ')}) ON CONFLICT DO NOTHING`));
  }
}

const samples: Readonly<Record<string, string>> = { text: `'{}'`, jsonb: `'{}'`, bytea: `'\\x00'`, boolean: 'false', ARRAY: `'{}'` };

it('is gone from each store that is not named as kept, at each home', async () => {
  expect(erasedTables.length).toBeGreaterThan(20);
  const alice = await Person.named('erased', a);
  await alice.addHome(b, { through: a });
  for (const server of [a, b]) {
    await fill(server, alice.userId, erasedTables);
    expect(await found(server, alice.userId, erasedTables)).toEqual(erasedTables);
    expect(await found(server, alice.userId, LOGS)).toEqual(LOGS);
  }
  await alice.publish(lastHomeRecord(alice.record, false, alice.key), a);
  for (const server of [a, b]) await eventually(async () => (await found(server, alice.userId, [...erasedTables, ...LOGS])).length === 0, 20_000);
}, 60_000);

it('is gone from the home that the person dropped before', async () => {
  const alice = await Person.named('erased2', a);
  await alice.addHome(b, { through: a });
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await eventually(async () => (await found(b, alice.userId, ['accounts'])).length === 0, 20_000);
  await fill(b, alice.userId, erasedTables);
  await alice.publish(lastHomeRecord(alice.record, false, alice.key), a);
  await eventually(async () => (await found(b, alice.userId, erasedTables)).length === 0, 20_000);
}, 60_000);

it('is gone from there, too, when that server stopped before it was done', async () => {
  const alice = await Person.named('erased3', a);
  await alice.addHome(b, { through: a });
  await alice.publish(alice.next({ drop: [b.name] }), a);
  await eventually(async () => (await found(b, alice.userId, ['accounts'])).length === 0, 20_000);
  await alice.publish(lastHomeRecord(alice.record, false, alice.key), a);
  const isDone = statement('test.is_erased', 'SELECT 1 FROM home_keys WHERE user_id = $1 AND erased_epoch = 0');
  await eventually(async () => (await b.get(Database).query(isDone, [alice.userId])).length === 1, 20_000);
  // As it is when the record is stored and nothing else is.
  await b.get(Database).query(statement('test.not_erased', 'UPDATE home_keys SET erased_epoch = NULL WHERE user_id = $1'), [alice.userId]);
  await fill(b, alice.userId, erasedTables);
  await b.crash();
  await b.start();
  await eventually(async () => (await found(b, alice.userId, erasedTables)).length === 0, 20_000);
  expect(await b.get(Database).query(isDone, [alice.userId])).toHaveLength(1);
}, 60_000);
