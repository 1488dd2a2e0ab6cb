import { isEventId, isRoomId, isUserId } from '#federation';

/** Receipts of one EDU that are looked at. */
const MAX_RECEIPTS = 1_000;

/** One receipt of an `m.receipt` EDU. */
export interface EduReceipt {
  readonly roomId: string;
  readonly userId: string;
  readonly eventId: string;
  readonly threadId: string;
  /** Milliseconds; undefined where the sender gave none. */
  readonly ts: number | undefined;
}

/** The readable ones among the receipts of an EDU: room → `m.read` → user → {event_ids, data}. */
export function readReceiptEdu(content: Record<string, unknown>): EduReceipt[] {
  const receipts: EduReceipt[] = [];
  for (const [roomId, types] of Object.entries(content)) {
    const users = objectOf(objectOf(types)?.['m.read']);
    if (!users || !isRoomId(roomId)) continue;
    for (const [userId, value] of Object.entries(users)) {
      const { event_ids: eventIds, data } = (objectOf(value) ?? {}) as Record<string, unknown>;
      const eventId: unknown = Array.isArray(eventIds) ? eventIds.at(-1) : undefined;
      if (!isUserId(userId, { historical: true }) || !isEventId(eventId) || receipts.length >= MAX_RECEIPTS) continue;
      const { ts, thread_id: thread } = objectOf(data) ?? {};
      receipts.push({
        roomId, userId, eventId,
        threadId: typeof thread === 'string' && thread.length <= 255 && !thread.includes('\0') ? thread : '',
        ts: typeof ts === 'number' && Number.isSafeInteger(ts) ? ts : undefined,
      });
    }
  }
  return receipts;
}

/** Content of an EDU with one receipt. */
export function receiptEdu({ roomId, userId, eventId, threadId, ts }: EduReceipt): Record<string, unknown> {
  const data = threadId === '' ? { ts } : { ts, thread_id: threadId };
  return { [roomId]: { 'm.read': { [userId]: { event_ids: [eventId], data } } } };
}

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
}
