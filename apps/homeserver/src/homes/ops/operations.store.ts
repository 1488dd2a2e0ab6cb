import { Injectable } from '@nestjs/common';
import { bucketOf, type AccountOperation, type HeldOperation, type LinePlace } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, longStatement, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** Operations of one statement. */
const MAX_APPENDED = 1_000;
/** Of operations that are read at once, beyond the first. */
const MAX_PAGE_BYTES = 8 * 1024 * 1024;
const columns = 'log, n, hash, line, prev, after, home, ms, kind, op_key, value, signature';
const qualified = columns.split(', ').map((name) => `o.${name}`).join(', ');
const isItemOf = 'i.user_id = o.user_id AND i.log = o.log AND i.n = o.n AND i.hash = o.hash';
const operations = new RowInserter('account_op.insert', 'account_ops', ['user_id', ...columns.split(', '), 'stored_ts', 'refused'], 'ON CONFLICT DO NOTHING');
const overOlder = `ON CONFLICT (user_id, kind, op_key, log, line) DO UPDATE SET n = excluded.n, hash = excluded.hash, ms = excluded.ms,
  is_removed = excluded.is_removed WHERE account_op_items.n < excluded.n`;
const items = new RowInserter(
  'account_op.items', 'account_op_items', ['user_id', 'kind', 'op_key', 'log', 'line', 'n', 'hash', 'ms', 'bucket', 'is_removed'],
  overOlder,
);
// One statement for operations, items and ends: each round trip of a write is waited for by a client.
const append = statement(
  'account_op.append',
  `WITH given AS (
     SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[],
       $11::text[], $12::text[], $13::text[], $14::smallint[])
       WITH ORDINALITY AS g (user_id, log, line, n, hash, prev, after, home, ms, kind, op_key, value, signature, bucket, at)
   ), stored AS (
     INSERT INTO account_ops (user_id, ${columns}, stored_ts) SELECT user_id, ${columns}, $15 FROM given ORDER BY at
   ), kept AS (
     INSERT INTO account_op_items (user_id, kind, op_key, log, line, n, hash, ms, bucket, is_removed)
     SELECT DISTINCT ON (user_id, kind, op_key, log, line) user_id, kind, op_key, log, line, n, hash, ms, bucket, value = 'null' FROM given
     ORDER BY user_id, kind, op_key, log, line, n DESC ${overOlder}
   )
   UPDATE account_logs l SET n = e.n, hash = e.hash, counted_n = e.n, counted_hash = e.hash
   FROM (SELECT DISTINCT ON (user_id, log, line) user_id, log, line, n, hash FROM given ORDER BY user_id, log, line, n DESC) e
   WHERE l.user_id = e.user_id AND l.log = e.log AND l.line = e.line`,
);
const deleteItems = statement(
  'account_op.delete_items',
  `DELETE FROM account_op_items i USING unnest($2::text[], $3::text[], $4::text[], $5::int[]) AS d (kind, op_key, log, line)
   WHERE i.user_id = $1 AND i.kind = d.kind AND i.op_key = d.op_key AND i.log = d.log AND i.line = d.line`,
);
const kept = statement(
  'account_op.kept',
  `SELECT ${qualified} FROM unnest($2::text[], $3::text[]) AS w (kind, op_key)
   JOIN account_op_items i ON i.user_id = $1 AND i.kind = w.kind AND i.op_key = w.op_key
   JOIN account_ops o ON ${isItemOf}`,
);
const keptOfKind = statement(
  'account_op.kept_of_kind', `SELECT ${qualified} FROM account_op_items i JOIN account_ops o ON ${isItemOf} WHERE i.user_id = $1 AND i.kind = $2`,
);
// The sizes first, which need not be read from where large values are kept.
const within = (limit: string, condition: string): string =>
  `SELECT ${qualified} FROM (SELECT o.user_id, o.log, o.n, o.hash, sum(octet_length(o.value) + octet_length(o.op_key) + octet_length(o.after)) OVER (ORDER BY o.seq) AS total
     FROM account_op_items i JOIN account_ops o ON ${isItemOf} WHERE i.user_id = $1${condition}) i
   JOIN account_ops o ON ${isItemOf} WHERE i.total <= ${limit} ORDER BY o.seq`;
const keptOf = statement('account_op.kept_of', within('$2', ''));
const keptIn = statement('account_op.kept_in', within('$2', ' AND i.bucket = ANY($3)'));
const kindsIn = statement('account_op.kinds_in', 'SELECT DISTINCT kind FROM account_op_items WHERE user_id = $1 AND bucket = ANY($2) ORDER BY kind');
/**
 * Up to which number of each log removals knew of writes of their items. Each removal's `after` is read once: compared with each write
 * it would be read as often as an item has lines, of which a home that lies makes many.
 */
const knownToRemovals = (condition: string): string => `WITH known AS MATERIALIZED (
  SELECT r.user_id, r.kind, r.op_key, x.log, max(x.n) AS n FROM account_op_items r
  JOIN account_ops ro ON ro.user_id = r.user_id AND ro.log = r.log AND ro.n = r.n AND ro.hash = r.hash
  CROSS JOIN LATERAL (SELECT r.log AS log, r.n - 1 AS n
    UNION ALL SELECT p.key, (e ->> 0)::bigint FROM jsonb_each(ro.after::jsonb) p, jsonb_array_elements(p.value) e) x
  WHERE r.is_removed AND ${condition} GROUP BY r.user_id, r.kind, r.op_key, x.log)`;
const isKnown = 'k.user_id = i.user_id AND k.kind = i.kind AND k.op_key = i.op_key AND k.log = i.log AND k.n >= i.n';
// What an old removal had replaced is gone with it, at one home earlier than at another.
const buckets = statement(
  'account_op.buckets',
  `${knownToRemovals('r.user_id = $1 AND r.bucket = ANY($2) AND r.ms < $3')}
   SELECT i.bucket, i.hash FROM account_op_items i LEFT JOIN known k ON ${isKnown}
   WHERE i.user_id = $1 AND i.bucket = ANY($2) AND NOT ((i.is_removed OR i.kind = ANY($4)) AND i.ms < $3) AND k.n IS NULL`,
);
const places = statement(
  'account_op.places',
  `SELECT o.log, o.n, o.hash, o.line FROM unnest($2::text[], $3::bigint[]) AS w (log, n)
   JOIN account_ops o ON o.user_id = $1 AND o.log = w.log AND o.n = w.n`,
);
// The first one, and others as far as they fit.
const onLine = statement(
  'account_op.on_line',
  `SELECT ${qualified}, o.seq FROM (
     SELECT n, hash, row_number() OVER (ORDER BY n) AS nth, sum(size) OVER (ORDER BY n) AS total FROM (
       SELECT n, hash, octet_length(value) + octet_length(op_key) + octet_length(after) AS size FROM account_ops
       WHERE user_id = $1 AND log = $2 AND line = $3 AND n > $4 AND n <= $5 ORDER BY n LIMIT $6) sized) t
   JOIN account_ops o ON o.user_id = $1 AND o.log = $2 AND o.n = t.n AND o.hash = t.hash WHERE t.nth = 1 OR t.total <= ${MAX_PAGE_BYTES} ORDER BY o.n`,
);
const at = statement(
  'account_op.at',
  `SELECT ${qualified}, o.seq FROM unnest($2::text[], $3::bigint[], $4::text[]) AS w (log, n, hash)
   JOIN account_ops o ON o.user_id = $1 AND o.log = w.log AND o.n = w.n AND o.hash = w.hash ORDER BY o.seq`,
);
const itemsOnLine = statement(
  'account_op.items_on_line', 'SELECT DISTINCT kind, op_key AS key FROM account_ops WHERE user_id = $1 AND log = $2 AND line = $3 AND n > $4 AND n <= $5',
);
const keepUpTo = statement(
  'account_op.keep_up_to',
  `INSERT INTO account_op_items (user_id, kind, op_key, log, line, n, hash, ms, bucket, is_removed)
   SELECT DISTINCT ON (o.kind, o.op_key) o.user_id, o.kind, o.op_key, o.log, o.line, o.n, o.hash, o.ms, w.bucket, o.value = 'null' FROM account_ops o
   JOIN unnest($5::text[], $6::text[], $7::smallint[]) AS w (kind, op_key, bucket) ON w.kind = o.kind AND w.op_key = o.op_key
   WHERE o.user_id = $1 AND o.log = $2 AND o.line = $3 AND o.n <= $4 ORDER BY o.kind, o.op_key, o.n DESC ${overOlder}`,
);
const kindsBeyond = statement(
  'account_op.kinds_beyond',
  `SELECT o.kind, count(*)::int AS count FROM account_ops o JOIN unnest($2::text[], $3::int[], $4::bigint[]) AS w (log, line, n)
   ON o.log = w.log AND o.line = w.line AND o.n > w.n WHERE o.user_id = $1 GROUP BY o.kind ORDER BY o.kind`,
);
const hasItems = statement('account_op.has_items', 'SELECT DISTINCT op_key FROM account_op_items WHERE user_id = $1 AND kind = $2');
const isWritten = statement(
  'account_op.is_written', 'SELECT 1 FROM account_op_items WHERE user_id = $1 AND kind = $2 AND op_key = $3 AND NOT is_removed LIMIT 1',
);
const oldWinners = statement('account_op.old_winners', 'SELECT op_key, hlc, home, is_removed FROM account_op_winners WHERE user_id = $1 AND kind = $2');
// By what it said last and what there is now: a home that has been silent since then has said nothing wrong. Of logs of others what
// they signed that they have; of those that are cut nobody shows more.
const isBehind = (row: string): string => `EXISTS (SELECT 1 FROM account_op_peers p JOIN account_logs l ON l.user_id = p.user_id
  WHERE p.user_id = ${row}.user_id AND (l.is_own OR l.head_n BETWEEN 1 AND l.counted_n)
  AND NOT EXISTS (SELECT 1 FROM jsonb_array_elements(p.places::jsonb -> l.log) e WHERE (e ->> 0)::bigint >= CASE WHEN l.is_own THEN l.n ELSE l.head_n END))`;
const purgeReplaced = longStatement(
  'account_op.purge_replaced',
  `${knownToRemovals('ro.stored_ts < $1 AND r.ms < $1')} DELETE FROM account_op_items i USING known k WHERE ${isKnown} AND NOT ${isBehind('i')}`,
);
// A removal stays as long as there is a write that it did not know of, which would come back.
const purgeItems = longStatement(
  'account_op.purge_items',
  `DELETE FROM account_op_items t USING account_ops o WHERE o.user_id = t.user_id AND o.log = t.log AND o.n = t.n AND o.hash = t.hash
   AND o.stored_ts < $1 AND t.ms < $1 AND NOT ${isBehind('t')} AND (t.kind = ANY($2) OR t.is_removed AND NOT EXISTS (
     SELECT 1 FROM account_op_items i WHERE i.user_id = t.user_id AND i.kind = t.kind AND i.op_key = t.op_key AND NOT i.is_removed))`,
);
const purgeOperations = longStatement(
  'account_op.purge',
  `DELETE FROM account_ops t WHERE stored_ts < $1 AND NOT ${isBehind('t')} AND NOT EXISTS (
     SELECT 1 FROM account_op_items i WHERE i.user_id = t.user_id AND i.kind = t.kind AND i.op_key = t.op_key AND i.log = t.log AND i.line = t.line AND i.n = t.n)`,
);

/** Kinds whose items are gone with their time: what is older than the kept time counts no more in digests. */
export const PASSING_KINDS: readonly string[] = ['to_device', 'to_device_consumed'];

interface Row {
  log: string; n: number; hash: string; line: number; prev: string | null; after: string; home: string; ms: number; kind: string;
  op_key: string; value: string; signature: string; seq: number;
}

export interface ItemName {
  readonly kind: string;
  readonly key: string;
}

export interface PlaceRow extends LinePlace {
  readonly log: string;
  readonly hash: string;
}

/** The tables `account_ops` and `account_op_items`. */
@Injectable()
export class OperationsStore {
  constructor(private readonly db: Database) {}

  /** @param refused by hash, what the account's data did not take */
  async insert(db: Queryable, list: readonly HeldOperation[], now: number, refused: ReadonlyMap<string, string>): Promise<void> {
    await operations.insert(db, list.map(({ op, hash, line }) => [
      op.user_id, op.log, op.n, hash, line, op.prev, JSON.stringify(op.after), op.home, op.ms, op.kind, op.key, op.value, op.signature, now, refused.get(hash) ?? null,
    ]));
  }

  /** Lets lines that are there go on with operations, in order, each the newest of its line for its item. */
  async append(db: Queryable, list: readonly HeldOperation[], now: number): Promise<void> {
    for (let at = 0; at < list.length; at += MAX_APPENDED) {
      const part = list.slice(at, at + MAX_APPENDED);
      const of = <T>(read: (held: HeldOperation) => T): T[] => part.map(read);
      await db.write(append, [
        of(({ op }) => op.user_id), of(({ log }) => log), of(({ line }) => line), of(({ n }) => n), of(({ hash }) => hash), of(({ op }) => op.prev),
        of(({ op }) => JSON.stringify(op.after)), of(({ home }) => home), of(({ ms }) => ms), of(({ op }) => op.kind), of(({ op }) => op.key),
        of(({ value }) => value), of(({ op }) => op.signature), of(({ op }) => bucketOf(op.kind, op.key)), now,
      ]);
    }
  }

  /** Makes operations the newest of their line for their items. */
  async keep(db: Queryable, list: readonly HeldOperation[]): Promise<void> {
    const newest = new Map(list.map((held) => [JSON.stringify([held.op.user_id, held.op.kind, held.op.key, held.log, held.line]), held]));
    await items.insert(db, [...newest.values()].map(({ op, hash, line }) => [
      op.user_id, op.kind, op.key, op.log, line, op.n, hash, op.ms, bucketOf(op.kind, op.key), op.value === 'null',
    ]));
  }

  async dropItems(db: Queryable, userId: string, list: readonly (ItemName & { readonly log: string; readonly line: number })[]): Promise<void> {
    if (list.length === 0) return;
    await db.write(deleteItems, [userId, list.map((one) => one.kind), list.map((one) => one.key), list.map((one) => one.log), list.map((one) => one.line)]);
  }

  /** The operations that items keep. */
  async kept(userId: string, list: readonly ItemName[], db: Queryable = this.db): Promise<HeldOperation[]> {
    if (list.length === 0) return [];
    return (await db.query<Row>(kept, [userId, list.map(({ kind }) => kind), list.map(({ key }) => key)])).map((row) => held(userId, row));
  }

  async keptOfKind(userId: string, kind: string): Promise<HeldOperation[]> {
    return (await this.db.query<Row>(keptOfKind, [userId, kind])).map((row) => held(userId, row));
  }

  /** What the account's items keep, or those of some buckets, as much of it as fits; in the order in which it was taken. */
  async keptOf(userId: string, maxBytes: number, some?: readonly number[]): Promise<HeldOperation[]> {
    const rows = await (some ? this.db.query<Row>(keptIn, [userId, maxBytes, some]) : this.db.query<Row>(keptOf, [userId, maxBytes]));
    return rows.map((row) => held(userId, row));
  }

  /** Kinds of what items in some buckets keep. */
  async kindsIn(userId: string, some: readonly number[]): Promise<string[]> {
    return (await this.db.query<{ kind: string }>(kindsIn, [userId, some])).map((row) => row.kind);
  }

  /** Hashes by bucket, of what is no older than the horizon or does not pass. */
  async buckets(userId: string, some: readonly number[], horizon: number): Promise<Map<number, string[]>> {
    const rows = await this.db.query<{ bucket: number; hash: string }>(buckets, [userId, some, horizon, PASSING_KINDS]);
    const found = new Map<number, string[]>();
    for (const { bucket, hash } of rows) found.set(bucket, [...(found.get(bucket) ?? []), hash]);
    return found;
  }

  /** What stands at these numbers of logs. */
  async places(userId: string, list: readonly (readonly [log: string, n: number])[]): Promise<PlaceRow[]> {
    if (list.length === 0) return [];
    return this.db.query<PlaceRow & { log: string }>(places, [userId, list.map(([log]) => log), list.map(([, n]) => n)]);
  }

  /** Those at these places, in the order in which this server took them. */
  async at(userId: string, list: readonly { readonly log: string; readonly n: number; readonly hash: string }[]): Promise<HeldOperation[]> {
    if (list.length === 0) return [];
    const rows = await this.db.query<Row>(at, [userId, list.map(({ log }) => log), list.map(({ n }) => n), list.map(({ hash }) => hash)]);
    return rows.map((row) => held(userId, row));
  }

  /** Operations of a line with numbers in (from, to], in order, one at least and 8 MiB at most: fewer than `limit` do not mean that there are no more. */
  async onLine(userId: string, log: string, line: number, from: number, to: number, limit: number): Promise<HeldOperation[]> {
    return (await this.db.query<Row>(onLine, [userId, log, line, from, to, limit])).map((row) => held(userId, row));
  }

  /** What operations of a line with numbers in (from, to] are about. */
  async itemsOnLine(userId: string, log: string, line: number, from: number, to: number): Promise<ItemName[]> {
    return this.db.query<{ kind: string; key: string }>(itemsOnLine, [userId, log, line, from, to]);
  }

  /** Lets items keep their newest operation on a line up to a number. */
  async keepUpTo(db: Queryable, userId: string, log: string, line: number, n: number, list: readonly ItemName[]): Promise<void> {
    if (list.length === 0) return;
    await db.write(keepUpTo, [userId, log, line, n, list.map(({ kind }) => kind), list.map(({ key }) => key), list.map(({ kind, key }) => bucketOf(kind, key))]);
  }

  /** How many operations of which kinds are on lines beyond these numbers. */
  async kindsBeyond(userId: string, lines: readonly (LinePlace & { readonly log: string })[]): Promise<{ kind: string; count: number }[]> {
    return this.db.query(kindsBeyond, [userId, lines.map(({ log }) => log), lines.map(({ line }) => line), lines.map(({ n }) => n)]);
  }

  /** Whether some log has a value of the item. */
  async isWritten(db: Queryable, userId: string, { kind, key }: ItemName): Promise<boolean> {
    return (await db.query(isWritten, [userId, kind, key])).length > 0;
  }

  async keysOfKind(userId: string, kind: string): Promise<Set<string>> {
    return new Set((await this.db.query<{ op_key: string }>(hasItems, [userId, kind])).map((row) => row.op_key));
  }

  /** Times and writers of version 1. */
  async oldWriters(userId: string, kind: string): Promise<Map<string, { ms: number; home: string; isRemoved: boolean }>> {
    const rows = await this.db.query<{ op_key: string; hlc: string; home: string; is_removed: boolean }>(oldWinners, [userId, kind]);
    return new Map(rows.map((row) => [row.op_key, { ms: Number(row.hlc.slice(0, 15)) || 0, home: row.home, isRemoved: row.is_removed }]));
  }

  /** Drops what is older and needed no more; of accounts whose homes are all up to date. */
  async purge(before: number): Promise<void> {
    await this.db.query(purgeReplaced, [before]);
    await this.db.query(purgeItems, [before, PASSING_KINDS]);
    await this.db.query(purgeOperations, [before]);
  }
}

function held(userId: string, row: Row): HeldOperation {
  const op: AccountOperation = {
    user_id: userId, log: row.log, n: row.n, prev: row.prev, after: parseStoredJson(row.after) as AccountOperation['after'], home: row.home, ms: row.ms,
    kind: row.kind, key: row.op_key, value: row.value, signature: row.signature,
  };
  return { op, hash: row.hash, log: row.log, line: row.line, n: row.n, home: row.home, ms: row.ms, value: row.value };
}
