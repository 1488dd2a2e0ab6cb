import type { ItemWrite } from './item-writes.js';
import type { LinePlace } from './log-lines.js';
import type { AccountOperation } from './operation.js';

/** An operation that is held, with its place. */
export interface HeldOperation extends ItemWrite, LinePlace {
  readonly op: AccountOperation;
}

/** The name of an item within an account. */
export function itemName({ kind, key }: { readonly kind: string; readonly key: string }): string {
  return `${kind}\0${key}`;
}
