import type { ReceiptRow } from './receipts.store.js';

interface Receipt {
  ts: number;
  thread_id?: string;
}

/** Event id → type → user → receipt. */
type ReceiptContent = Record<string, Record<string, Record<string, Receipt>>>;

/**
 * Content of an `m.receipt` event for clients. It has one place per event, type and user: an unthreaded receipt,
 * which says more,
 * goes before a threaded one (MSC4102).
 */
export function receiptContent(rows: readonly ReceiptRow[]): ReceiptContent {
  const content: ReceiptContent = {};
  for (const row of rows) {
    const users = ((content[row.event_id] ??= {})[row.type] ??= {});
    if (row.thread_id === '') users[row.user_id] = { ts: row.ts };
    else users[row.user_id] ??= { ts: row.ts, thread_id: row.thread_id };
  }
  return content;
}
