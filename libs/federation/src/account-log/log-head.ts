import { canonicalJson } from '../canonical-json/index.js';
import { verifySignature, type SigningKey } from '../signing/index.js';
import { isLogName, isLogOf } from './log-name.js';
import { isHash, isNumber } from './read-operation.js';

/** A signed end of a log: the only thing that moves what a server believes to exist (protocol §4). */
export interface LogHead {
  readonly user_id: string;
  readonly log: string;
  readonly n: number;
  readonly hash: string;
  /** The public key whose log it is; not signed, because `log` names it. */
  readonly key: string;
  /** By that key, over `headInput`. */
  readonly signature: string;
}

export function headInput({ user_id, log, n, hash }: Pick<LogHead, 'user_id' | 'log' | 'n' | 'hash'>): string {
  return canonicalJson({ user_id, log, n, hash });
}

export function signHead(place: Pick<LogHead, 'user_id' | 'log' | 'n' | 'hash'>, key: SigningKey): LogHead {
  return { ...place, key: key.publicKey, signature: key.sign(headInput(place)) };
}

/** Reads a head from somebody else, without its account; undefined when it is malformed or does not prove itself. */
export function readHead(userId: string, value: unknown): LogHead | undefined {
  const { log, n, hash, key, signature } = (value ?? {}) as Record<string, unknown>;
  if (!isLogName(log) || !isNumber(n) || !isHash(hash) || typeof key !== 'string' || typeof signature !== 'string') return undefined;
  const head = { user_id: userId, log, n, hash, key, signature };
  return isLogOf(log, userId, key) && verifySignature(key, headInput(head), signature) ? head : undefined;
}
