import { operationHash, type AccountOperation } from '../../../libs/federation/src/index.js';

const hashes = new WeakMap<AccountOperation, string>();

/** `operationHash`, once for each operation: a history asks for it thousands of times. */
export function hashOf(op: AccountOperation): string {
  let hash = hashes.get(op);
  if (hash === undefined) hashes.set(op, (hash = operationHash(op)));
  return hash;
}
