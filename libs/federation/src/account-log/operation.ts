import { canonicalJson } from '../canonical-json/index.js';
import type { LogPlace } from '../home-record/index.js';
import { sha256, unpaddedBase64, verifySignature, type SigningKey } from '../signing/index.js';

/** Places by log: the ends of what somebody holds of each log; several of one log are branches, and the union counts. */
export type LogPlaces = Readonly<Record<string, readonly LogPlace[]>>;

/** What a home writes into its log of an account: one change of one item (protocol §4). */
export interface AccountOperation {
  readonly user_id: string;
  /** `logName`: bound to the key that signs. */
  readonly log: string;
  /** 1, 2, 3… */
  readonly n: number;
  /** `operationHash` of the one before; null for the first. */
  readonly prev: string | null;
  /** What its writer held of all other logs, whole: an operation without its neighbours (in a copy) proves what it knew. */
  readonly after: LogPlaces;
  /** Server name of the writer. Only breaks ties of equal times. */
  readonly home: string;
  /** The writer's milliseconds; order concurrent writes of one item, and nothing else. */
  readonly ms: number;
  readonly kind: string;
  /** Which of the kind. */
  readonly key: string;
  /** JSON text, not a value: account data may hold fractions, which canonical JSON cannot. `null` removes. */
  readonly value: string;
  /** By the home key of the log, over `operationInput`; unpadded Base64. */
  readonly signature: string;
}

export type UnsignedOperation = Omit<AccountOperation, 'signature'>;

/** The text that the home key signs and `operationHash` hashes. */
export function operationInput(op: UnsignedOperation): string {
  const { user_id, log, n, prev, after, home, ms, kind, key, value } = op;
  return canonicalJson({ user_id, log, n, prev, after, home, ms, kind, key, value });
}

/** SHA-256 of the signed text, unpadded Base64: not of the signature, of which one key can make several. */
export function operationHash(op: UnsignedOperation): string {
  return unpaddedBase64(sha256(operationInput(op)));
}

export function signOperation(op: UnsignedOperation, key: SigningKey): AccountOperation {
  return { ...op, signature: key.sign(operationInput(op)) };
}

/** Whether the key signed it. That the log is the key's is for `isLogOf` to say. */
export function isOperationSignedBy(op: AccountOperation, publicKey: string): boolean {
  return verifySignature(publicKey, operationInput(op), op.signature);
}
