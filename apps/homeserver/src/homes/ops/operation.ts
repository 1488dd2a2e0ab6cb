import { canonicalJson, verifySignature } from '#federation';
import { isReading } from './hybrid-clock.js';

/** One entry of an account's operation log (protocol §4). */
export interface Operation {
  readonly userId: string;
  /** The home that made it. */
  readonly home: string;
  /** 1, 2, 3… per account and home. */
  readonly n: number;
  readonly hlc: string;
  readonly kind: string;
  readonly key: string;
  /** JSON text, not a value: account data may hold fractions, which canonical JSON cannot. `null` removes. */
  readonly value: string;
  /** By the home's key for the account, over `operationInput`. */
  readonly signature: string;
}

/** An operation as it travels; the account is in the path. */
export type WireOperation = Omit<Operation, 'userId'>;

const MAX_KIND = 64;
const MAX_KEY = 2_048;
const MAX_VALUE = 512 * 1024;

/** The text that the home signs. */
export function operationInput(op: Omit<Operation, 'signature'>): string {
  const { userId, home, n, hlc, kind, key, value } = op;
  return canonicalJson({ user_id: userId, home, n, hlc, kind, key, value });
}

export function isSignedBy(op: Operation, publicKey: string): boolean {
  return verifySignature(publicKey, operationInput(op), op.signature);
}

/** Reads an operation of an account from another home; undefined when it is malformed. */
export function readOperation(userId: string, given: unknown): Operation | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const { home, n, hlc, kind, key, value, signature } = given as Record<string, unknown>;
  if (typeof home !== 'string' || home.length > 255) return undefined;
  if (!Number.isSafeInteger(n) || (n as number) < 1) return undefined;
  if (typeof hlc !== 'string' || !isReading(hlc)) return undefined;
  if (typeof kind !== 'string' || kind.length > MAX_KIND || typeof key !== 'string' || key.length > MAX_KEY) return undefined;
  if (typeof value !== 'string' || value.length > MAX_VALUE || typeof signature !== 'string') return undefined;
  // PostgreSQL cannot store it, and no home of ours makes it.
  if (`${kind}${key}${value}`.includes('\0')) return undefined;
  try {
    JSON.parse(value);
  } catch {
    return undefined;
  }
  return { userId, home, n: n as number, hlc, kind, key, value, signature };
}

export function wireOperation(op: Operation): WireOperation {
  const { userId: _userId, ...wire } = op;
  return wire;
}

/** The version vector: home → number of its last operation. */
export type Vector = Readonly<Record<string, number>>;

/** Most homes in a vector that is read; an account has five at a time, but former ones stay in it. */
const MAX_VECTOR = 100;

/** Reads a vector; members that are none are left out. */
export function readVector(value: unknown): Vector {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {};
  const entries = Object.entries(value).slice(0, MAX_VECTOR);
  return Object.fromEntries(entries.filter(([home, n]) => home.length <= 255 && Number.isSafeInteger(n) && n >= 0));
}

/** Order of writers: by clock, ties by home name. Positive when `a` wins. */
export function compareWriters(a: { hlc: string; home: string }, b: { hlc: string; home: string }): number {
  if (a.hlc !== b.hlc) return a.hlc > b.hlc ? 1 : -1;
  return a.home === b.home ? 0 : a.home > b.home ? 1 : -1;
}
