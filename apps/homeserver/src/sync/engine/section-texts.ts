import type { UnreadCounts } from '../unread/unread-tally.js';
import type { RoomExtras } from './room-extras.js';
import type { SyncRequest } from './sync-request.js';

const NO_EXTRAS: RoomExtras = { ephemeral: [], accountData: [] };

/** Where a client looks for state. */
export function stateName(request: SyncRequest): string {
  return request.useStateAfter ? (request.stateAfterName ?? 'state_after') : 'state';
}

/** Timeline and state of a room in which nothing happened. */
export function quietCore(request: SyncRequest, place: string): string {
  return `"timeline":{"events":[],"limited":false,"prev_batch":"${place}"},"${stateName(request)}":{"events":[]}`;
}

/**
 * The section of a joined room.
 *
 * @param core timeline and state
 * @param summary JSON text; null where nothing of it changed
 */
export function joinedText(
  core: string, summary: string | null, extras: RoomExtras | undefined, unread: UnreadCounts | undefined,
): string {
  const { ephemeral, accountData } = extras ?? NO_EXTRAS;
  let text = `{${core},"account_data":{"events":[${accountData.join(',')}]},"ephemeral":{"events":[${ephemeral.join(',')}]}`;
  text += `,"unread_notifications":${countsText(unread, unread?.isPartial)}`;
  if (unread && unread.threads.size > 0) {
    const threads = [...unread.threads].map(([root, counts]) => `${JSON.stringify(root)}:${countsText(counts)}`);
    text += `,"unread_thread_notifications":{${threads.join(',')}}`;
  }
  return `${text},"summary":${summary ?? '{}'}}`;
}

/** @param isPartial whether there may be more, of what is not here (protocol §4) */
function countsText(counts: { notifications: number; highlights: number } | undefined, isPartial = false): string {
  const partial = isPartial ? ',"io.partyline.partial":true' : '';
  return `{"notification_count":${counts?.notifications ?? 0},"highlight_count":${counts?.highlights ?? 0}${partial}}`;
}
