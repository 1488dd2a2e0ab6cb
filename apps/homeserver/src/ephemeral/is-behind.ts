import type { EventPlace } from './receipts.store.js';

/** Whether a receipt or marker would go back. Events that are not here cannot be compared, so they are taken. */
export function isBehind(next: EventPlace | undefined, present: EventPlace | undefined): boolean {
  if (!next || !present) return false;
  if (next.pos !== null && present.pos !== null) return next.pos <= present.pos;
  return next.depth <= present.depth;
}
