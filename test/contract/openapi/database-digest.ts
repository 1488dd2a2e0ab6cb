import { Database, statement } from '../../../apps/homeserver/src/storage/database.js';
import type { TestServer } from '../../network/test-server.js';

/** What comes and goes by itself: who answers, who is behind, what waits to be told, who was seen, which transactions were begun. */
const MOVING = ['destinations', 'federation_cursors', 'outbound_edus', 'record_tellings', 'record_room_tellings', 'directory_users', 'commit_marks'];

const tables = statement(
  'digest.tables',
  `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name <> ALL ($1) ORDER BY table_name`,
);

/** Sees whether anything changed in a server's database. */
export class DatabaseDigest {
  #all: ReturnType<typeof statement> | null = null;

  constructor(private readonly server: TestServer) {}

  /** Number of rows and a sum over their contents, by table. */
  async take(): Promise<Map<string, string>> {
    const db = this.server.get(Database);
    if (!this.#all) {
      const names = (await db.query<{ name: string }>(tables, [MOVING])).map(({ name }) => name);
      this.#all = statement('digest.all', names.map((name) => `SELECT '${name}' AS name, count(*) || ' ' || coalesce(sum(hashtext(t::text)), 0) AS digest FROM "${name}" t`).join(' UNION ALL '));
    }
    const rows = await db.query<{ name: string; digest: string }>(this.#all);
    return new Map(rows.map(({ name, digest }) => [name, digest]));
  }

  /** Tables that differ. */
  difference(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
    return [...after].filter(([name, digest]) => before.get(name) !== digest).map(([name]) => name);
  }
}
