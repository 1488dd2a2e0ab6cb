import { type Database, longStatement, type Queryable, statement, type Transaction } from './database.js';
import { positionsText, readPositions, type Positions } from './positions-text.js';

/** Added to all positions at a restore, so that none is used again: more than what was lost can have used. */
const RESTORE_JUMP = 1_000_000_000_000;
/** Starts that are remembered. */
const KEPT_RUNS = 10_000;

const runs = statement(
  'epoch.runs',
  `SELECT run_id, epoch_id, starts, ends, identity FROM database_runs ORDER BY n DESC LIMIT ${KEPT_RUNS}`,
);
const epochs = statement('epoch.epochs', 'SELECT epoch_id, cause, began_ts FROM database_epochs');
const ends = longStatement(
  'epoch.ends',
  `SELECT name, CASE name WHEN 'events' THEN greatest(used, (SELECT max(last_pos) FROM rooms), (SELECT max(pos) FROM local_memberships))
     ELSE used END AS used, reserved FROM sequences`,
);
const putEpoch = statement('epoch.put', 'INSERT INTO database_epochs (epoch_id, parent, cause, began_ts) VALUES ($1, $2, $3, $4)');
const putRun = statement(
  'epoch.put_run',
  `INSERT INTO database_runs (run_id, epoch_id, started_ts, starts, ends, identity) VALUES ($1, $2, $3, $4, $5, $6)`,
);
const endRun = statement('epoch.end_run', 'UPDATE database_runs SET ends = $2 WHERE run_id = $1');
const forgetRuns = statement(
  'epoch.forget_runs',
  `DELETE FROM database_runs WHERE n < (SELECT min(n) FROM (SELECT n FROM database_runs ORDER BY n DESC LIMIT ${KEPT_RUNS}) AS kept)`,
);
const jump = statement('epoch.jump', 'UPDATE sequences SET reserved = reserved + $1');
const tasks = statement('epoch.tasks', 'SELECT task, epoch_id FROM restore_tasks');
const putTask = statement(
  'epoch.put_task',
  'INSERT INTO restore_tasks (task, epoch_id) VALUES ($1, $2) ON CONFLICT (task) DO UPDATE SET epoch_id = excluded.epoch_id',
);

export interface RunRow {
  readonly run: string;
  readonly epoch: string;
  readonly starts: Positions;
  /** Null for the latest. */
  readonly ends: Positions | null;
  readonly identity: string;
}

export interface EpochRow {
  readonly epoch: string;
  readonly cause: string;
  /** Milliseconds. */
  readonly beganTs: number;
}

/** The tables `database_epochs`, `database_runs` and `restore_tasks`. */
export class EpochStore {
  constructor(private readonly db: Database) {}

  /** The latest first. */
  async runs(): Promise<RunRow[]> {
    const rows = await this.db.query<{ run_id: string; epoch_id: string; starts: string; ends: string | null; identity: string }>(runs);
    return rows.map((row) => ({
      run: row.run_id, epoch: row.epoch_id, starts: readPositions(row.starts), ends: row.ends === null ? null : readPositions(row.ends),
      identity: row.identity,
    }));
  }

  async epochs(): Promise<EpochRow[]> {
    const rows = await this.db.query<{ epoch_id: string; cause: string; began_ts: number }>(epochs);
    return rows.map((row) => ({ epoch: row.epoch_id, cause: row.cause, beganTs: row.began_ts }));
  }

  /** Where the streams end in this database, and the highest positions that may have been given at all. */
  async ends(db: Queryable = this.db): Promise<{ used: Positions; reserved: Positions } | null> {
    const rows = await db.query<{ name: string; used: number; reserved: number }>(ends);
    if (rows.length === 0) return null;
    const of = (key: 'used' | 'reserved') => readPositions(JSON.stringify(Object.fromEntries(rows.map((row) => [row.name, row[key]]))));
    return { used: of('used'), reserved: of('reserved') };
  }

  async putEpoch(db: Queryable, row: EpochRow & { readonly parent: string | null }): Promise<void> {
    await db.query(putEpoch, [row.epoch, row.parent, row.cause, row.beganTs]);
  }

  async putRun(db: Queryable, row: RunRow, now: number): Promise<void> {
    await db.query(putRun, [row.run, row.epoch, now, positionsText(row.starts), row.ends && positionsText(row.ends), row.identity]);
    await db.query(forgetRuns);
  }

  async endRun(db: Queryable, run: string, ends: Positions): Promise<void> {
    await db.query(endRun, [run, positionsText(ends)]);
  }

  /** Leaves all numbers out that a history which was lost can have used. */
  async jump(tx: Transaction): Promise<void> {
    await tx.query(jump, [RESTORE_JUMP]);
  }

  /** By task the epoch for which it was done. */
  async tasks(): Promise<Map<string, string>> {
    const rows = await this.db.query<{ task: string; epoch_id: string }>(tasks);
    return new Map(rows.map((row) => [row.task, row.epoch_id]));
  }

  async putTask(task: string, epoch: string): Promise<void> {
    await this.db.query(putTask, [task, epoch]);
  }
}
