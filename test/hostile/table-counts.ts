import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import type { TestServer } from '../network/test-server.js';

/** What comes and goes by itself: who answers, who is behind, what waits to be told, and who was seen. */
const MOVING = ['destinations', 'federation_cursors', 'outbound_edus', 'record_tellings', 'record_room_tellings', 'directory_users'];
const tables = statement('test.tables', `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> ALL ($1)`);

/** Rows of every table of a server's database in which nothing moves by itself. */
export async function tableCounts(server: TestServer): Promise<Record<string, number>> {
  const db = server.get(Database);
  const names = (await db.query<{ name: string }>(tables, [MOVING])).map(({ name }) => name).sort();
  const all = names.map((name) => `SELECT '${name}' AS name, count(*)::int AS rows FROM "${name}"`).join(' UNION ALL ');
  const counts = await db.query<{ name: string; rows: number }>(statement('test.counts', all));
  return Object.fromEntries(counts.map(({ name, rows }) => [name, rows]));
}
