import type { RoomEvent } from '#federation';

export type HistoryVisibility = 'world_readable' | 'shared' | 'invited' | 'joined';

const VALUES: readonly unknown[] = ['world_readable', 'shared', 'invited', 'joined'] satisfies HistoryVisibility[];

/** What an `m.room.history_visibility` event says; none, or another value, means shared (Client-Server, "Room history visibility"). */
export function visibilityOf(event: { readonly pdu: Pick<RoomEvent['pdu'], 'content'> } | undefined): HistoryVisibility {
  const value = event?.pdu.content['history_visibility'];
  return VALUES.includes(value) ? (value as HistoryVisibility) : 'shared';
}

/** Whether everybody who is in the room may see what happened under it. */
export function isOpen(visibility: HistoryVisibility): boolean {
  return visibility === 'shared' || visibility === 'world_readable';
}
