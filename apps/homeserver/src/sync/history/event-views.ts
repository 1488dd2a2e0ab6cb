import { Injectable } from '@nestjs/common';
import { type HistoryVisibility, visibilityOf } from '../../rooms/history/visibility-of.js';
import { StateValuesStore, type WantedState } from '../../rooms/state/state-values.store.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import type { HistoryRow } from './history-rows.store.js';
import type { RoomReader } from './room-readers.js';

const MEMBER = 'm.room.member';
const VISIBILITY = 'm.room.history_visibility';

/** An event as a reader sees it, or not. */
export interface EventView {
  readonly event: SyncEvent;
  readonly pos: number;
  readonly stateNid: number | null;
  readonly isVisible: boolean;
  /** The reader's membership at the event. */
  readonly membership: string;
  /** The state event that it replaced. */
  readonly replaced: SyncEvent | undefined;
  /** The sender's member event before it. */
  readonly senderMember: SyncEvent | undefined;
}

/**
 * Looks at events with the states that they stand in, which decide about their visibility (Client-Server, "Room history
 * visibility"). Unlike `/sync`, which goes by the room's state as it was here, this holds for history too that was fetched later.
 */
@Injectable()
export class EventViews {
  constructor(
    private readonly events: SyncEvents,
    private readonly values: StateValuesStore,
  ) {}

  /** In the order of the rows. Three queries at most, whatever their number; none for events and states used lately but one. */
  async of(reader: RoomReader, rows: readonly Omit<HistoryRow, 'bytes'>[]): Promise<EventView[]> {
    return (await this.ofEach(rows.map((row) => ({ reader, row })))).filter((view) => view !== undefined);
  }

  /** The same over rooms; undefined for an event that is not there. */
  async ofEach(places: readonly { readonly reader: RoomReader; readonly row: Omit<HistoryRow, 'bytes'> }[]): Promise<(EventView | undefined)[]> {
    const events = await this.events.load(places.map(({ row }) => row.nid));
    const values = await this.values.load(places.flatMap(({ reader, row }) => wantedBy(row, events.get(row.nid), reader)));
    const state = await this.events.load(values.nids);
    return places.map(({ reader, row }) => {
      const event = events.get(row.nid);
      return event && viewOf(reader, row, event, (type, key) => state.get(values.get(row.stateNid, type, key) ?? -1));
    });
  }

  /**
   * Whether readers see what stands at these places, by the states there alone. It holds for everything but members and the visibility itself.
   * Two queries at most, and none of the events is read.
   */
  async areVisible(places: readonly { readonly reader: RoomReader; readonly row: Omit<HistoryRow, 'bytes'> }[]): Promise<boolean[]> {
    const wanted = new Map<string, WantedState>();
    for (const { reader: { userId }, row: { stateNid } } of places) {
      if (stateNid === null) continue;
      for (const [type, stateKey] of [[VISIBILITY, ''], [MEMBER, userId]] as const) wanted.set(`${stateNid} ${type}`, { stateNid, type, stateKey });
    }
    const values = await this.values.load([...wanted.values()]);
    const state = await this.events.load(values.nids);
    return places.map(({ reader, row }) => {
      const before = (type: string, key: string): SyncEvent | undefined => state.get(values.get(row.stateNid, type, key) ?? -1);
      const membership = before(MEMBER, reader.userId)?.membership ?? 'leave';
      return row.pos <= reader.upTo && allows(readVisibility(before(VISIBILITY, '')), [membership], reader, row.pos);
    });
  }
}

function wantedBy({ stateNid }: Pick<HistoryRow, 'stateNid'>, event: SyncEvent | undefined, reader: RoomReader): WantedState[] {
  if (stateNid === null || !event) return [];
  const wanted = [
    { stateNid, type: VISIBILITY, stateKey: '' },
    { stateNid, type: MEMBER, stateKey: reader.userId },
    { stateNid, type: MEMBER, stateKey: event.sender },
  ];
  if (event.stateKey !== null) wanted.push({ stateNid, type: event.type, stateKey: event.stateKey });
  return wanted;
}

function viewOf(reader: RoomReader, row: Omit<HistoryRow, 'bytes'>, event: SyncEvent, before: (type: string, stateKey: string) => SyncEvent | undefined): EventView {
  const memberBefore = before(MEMBER, reader.userId)?.membership ?? 'leave';
  const isOwnMember = event.type === MEMBER && event.stateKey === reader.userId;
  const membership = isOwnMember ? (event.membership ?? 'leave') : memberBefore;
  const visibilities = [readVisibility(before(VISIBILITY, ''))];
  if (event.type === VISIBILITY && event.stateKey === '') visibilities.push(readVisibility(event));
  return {
    event,
    pos: row.pos,
    stateNid: row.stateNid,
    isVisible: isOwnMember || visibilities.some((value) => allows(value, [memberBefore, membership], reader, row.pos)),
    membership,
    replaced: event.stateKey === null ? undefined : before(event.type, event.stateKey),
    senderMember: before(MEMBER, event.sender),
  };
}

/** Of visibility and membership before and after the event the more open counts, as the specification says of those that change them. */
function allows(visibility: HistoryVisibility, memberships: readonly string[], reader: RoomReader, pos: number): boolean {
  if (visibility === 'world_readable' || memberships.includes('join')) return true;
  if (visibility === 'shared') return reader.lastJoined > pos;
  return visibility === 'invited' && memberships.includes('invite');
}

function readVisibility(event: SyncEvent | undefined): HistoryVisibility {
  return visibilityOf(event && { pdu: { content: event.content } });
}

/**
 * The member events that a client needs to show events, with lazy loading: of each sender the one before its newest event, also where it
 * is among the events, since a client that goes back comes to it too late.
 */
export function senderMembers(views: readonly EventView[]): SyncEvent[] {
  const members = new Map<string, EventView>();
  for (const view of views) {
    const held = members.get(view.event.sender);
    if (view.senderMember && (!held || held.pos < view.pos)) members.set(view.event.sender, view);
  }
  return [...members.values()].map((view) => view.senderMember!);
}
