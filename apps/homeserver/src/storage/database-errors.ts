import pg from 'pg';
import { QueryFailedError } from 'typeorm';

/** Nothing of the work is stored, and nothing ever will be of this try: it may be tried again. */
export class NotStored extends Error {
  constructor(cause?: unknown) {
    super('The database could not be reached in time; nothing was stored. Try again.', { cause });
  }
}

/**
 * Nobody can say at this moment whether the work is stored: the answer to its COMMIT was lost, and the database cannot be asked what
 * became of it. It must not be done again before `decided`.
 */
export class UnknownOutcome extends Error {
  /** @param decided resolves when it is known, after the callbacks of a transaction that turned out to be committed; never rejects */
  constructor(
    readonly decided: Promise<void>,
    cause?: unknown,
  ) {
    super('The database did not answer; whether it has stored this is not known yet.', { cause });
  }
}

/** The disk has no room for more: nothing is stored, before PostgreSQL itself would fail. */
export class DiskFull extends Error {
  constructor() {
    super('The disk of the database is nearly full: nothing is stored until there is room.');
  }
}

/** True where PostgreSQL cannot take a value, such as text with NUL (SQLSTATE class 22): a second try cannot help. */
export function isInvalidValue(error: unknown): boolean {
  return /^22[0-9A-Z]{3}$/.test(codeOf(error));
}

/** True for PostgreSQL's unique_violation (SQLSTATE 23505), optionally of one constraint or index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
  return codeOf(error) === '23505' && (constraint === undefined || (error as pg.DatabaseError).constraint === constraint);
}

/** True where PostgreSQL said no itself, within a session that goes on: what it refused has not happened. */
export function isRefusal(thrown: unknown): boolean {
  const error = driverError(thrown);
  return error instanceof pg.DatabaseError && error.severity !== 'FATAL' && error.severity !== 'PANIC';
}

/** True when the connection is of no use any more, or there was none: what was on its way may have arrived or not. */
export function isLost(thrown: unknown): boolean {
  const error = driverError(thrown);
  if (error instanceof pg.DatabaseError) return !isRefusal(error);
  // Of the system (ECONNRESET); the driver's own errors have no code.
  return /^E[A-Z]{4,}$/.test(codeOf(error)) || (error instanceof Error && DRIVER_MESSAGES.test(error.message));
}

const DRIVER_MESSAGES =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client (?:has encountered a connection error|was closed))/;

/** Serialization failure, deadlock, lock timeout: another transaction was in the way, and the same work may succeed now. */
const IN_THE_WAY = new Set(['40001', '40P01', '55P03']);

/** True for an error of PostgreSQL with this SQLSTATE. */
export function isRaised(error: unknown, code: string): boolean {
  return error instanceof pg.DatabaseError && error.code === code;
}

/** True where a transaction was undone for no fault of its own, so that it may be done once more. */
export function isRepeatable(error: unknown): boolean {
  return IN_THE_WAY.has(codeOf(error));
}

/**
 * True when the database could not be asked, which says nothing about what was asked: no connection (of the system, or SQLSTATE
 * class 08), no resources (53), a database that is being stopped (57P), too slow (57014).
 */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof NotStored || error instanceof UnknownOutcome || error instanceof DiskFull) return true;
  return isLost(error) || isRepeatable(error) || /^(?:(?:08|53)[0-9A-Z]{3}|57P[0-9A-Z]{2}|57014)$/.test(codeOf(error));
}

/** TypeORM wraps what its connection threw. */
function driverError(error: unknown): unknown {
  return error instanceof QueryFailedError ? error.driverError : error;
}

function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}
