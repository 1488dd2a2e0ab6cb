import type { QueryConfig, QueryResultRow } from 'pg';

/** A statement with a fixed text: prepared once per connection under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Whether it may change something. */
  readonly writes: boolean;
  /** Whether a change gives rows. */
  readonly gives: boolean;
  /** Whether it may store something, so that it needs room on the disk. */
  readonly grows: boolean;
  /** May take minutes: see `longStatement`. */
  readonly isLong?: boolean;
}

/** Declares a statement. The name must be unique in the program: `<store>.<what>`. */
export function statement(name: string, text: string): Statement {
  return { name, text, writes: /\b(?:INSERT|UPDATE|DELETE)\b/.test(text), gives: /\bRETURNING\b/.test(text), grows: grows(text) };
}

/** Whether a statement may store something. */
export function grows(text: string): boolean {
  return /\b(?:INSERT|UPDATE)\b/.test(text);
}

/** One that goes through all that an account or the server has, and that no request waits for: it has a limit of its own. */
export function longStatement(name: string, text: string): Statement {
  return { ...statement(name, text), isLong: true };
}

/** Where statements run: the pool, or one transaction. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(sql: Statement, values?: readonly unknown[]): Promise<R[]>;
  /**
   * A change of which nothing is to be known but that it is made. In a transaction it costs no round trip of its own, and a failure of it may come
   * out with what is asked next, or with the COMMIT.
   */
  write(sql: Statement, values?: readonly unknown[]): Promise<void>;
}

/** What the driver is handed. Whoever does not answer within `answerMs` has fallen silent. */
export function timed(sql: { readonly text: string }, answerMs: number): QueryConfig {
  // The driver reads it of each query; its types know of it for all queries of a connection only.
  return { text: sql.text, query_timeout: answerMs } as QueryConfig;
}
