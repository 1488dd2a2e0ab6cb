import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import type { TestServer } from '../network/test-server.js';

const tables = statement('test.tables', `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT IN ('destinations', 'federation_cursors')`);

/** Rows of every table of a server's database, but for what it remembers of who answers and who is behind. */
export async function tableCounts(server: TestServer): Promise<Record<string, number>> {
  const db = server.get(Database);
  const names = (await db.query<{ name: string }>(tables)).map(({ name }) => name).sort();
  const all = names.map((name) => `SELECT '${name}' AS name, count(*)::int AS rows FROM "${name}"`).join(' UNION ALL ');
  const counts = await db.query<{ name: string; rows: number }>(statement('test.counts', all));
  return Object.fromEntries(counts.map(({ name, rows }) => [name, rows]));
}
