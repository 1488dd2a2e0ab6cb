/** How long the database may take, in milliseconds. What is slower is given up, and then dealt with as lost. */
export interface DatabaseLimits {
  /** One statement, by the database's clock. */
  readonly statementMs: number;
  /** One statement that goes through very much (`longStatement`). */
  readonly longMs: number;
  /** Waiting for a lock of another transaction. */
  readonly lockMs: number;
  /** A transaction that does nothing: its locks are in everybody's way. */
  readonly idleMs: number;
  /** Until an answer arrives. More than `statementMs`: only a connection that has fallen silent takes so long. */
  readonly answerMs: number;
  /** Until a connection is made or becomes free. */
  readonly connectMs: number;
  /** How long a start waits for another process that has the database. */
  readonly takeOverMs: number;
  /** How long whoever has written waits until it is known what became of a commit whose answer was lost. */
  readonly patienceMs: number;
}

/** Requests and what follows from them. Migrations have none of these limits (migrate.ts). */
export const usualLimits: DatabaseLimits = {
  statementMs: 10_000,
  longMs: 600_000,
  lockMs: 4_000,
  idleMs: 30_000,
  answerMs: 12_000,
  connectMs: 10_000,
  takeOverMs: 10_000,
  patienceMs: 20_000,
};

/** Statements that put the database's own limits into force on a connection. */
export function limitsOf({ statementMs, lockMs, idleMs }: DatabaseLimits): string {
  const settings = { statement_timeout: statementMs, lock_timeout: lockMs, idle_in_transaction_session_timeout: idleMs };
  return Object.entries(settings).map(([name, value]) => `SET ${name} = ${value}`).join('; ');
}
