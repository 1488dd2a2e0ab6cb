import { Injectable } from '@nestjs/common';
import { RoomWindows } from '../rooms/room-windows.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { TimelineCollector, type CollectedTimeline, type TimelineWish } from '../rooms/timeline-collector.js';
import type { AnswerPlan, RoomPlan } from './room-plan.js';
import type { RoomWithTimeline } from './room-states.js';
import type { RoomsRequest } from './sync-request.js';

/** Reads the timelines of an answer's rooms, as far as the reader may see them. */
@Injectable()
export class RoomTimelines {
  constructor(
    private readonly windows: RoomWindows,
    private readonly timelines: TimelineCollector,
    private readonly events: SyncEvents,
  ) {}

  /**
   * In the order of the rooms.
   *
   * @param ignored senders whose messages are left out
   * @param maxBytes of all events together
   */
  async of(
    { userId, filter }: RoomsRequest, { to }: AnswerPlan, rooms: readonly RoomPlan[], ignored: ReadonlySet<string>, maxBytes: number,
  ): Promise<RoomWithTimeline[]> {
    if (rooms.length === 0) return [];
    await this.windows.refresh(rooms.map(({ room }) => room.roomNid), to);
    const usual = rooms.filter((room) => room.onlyEvent === undefined);
    const current = await this.#currentState(usual.filter((room) => room.hides && room.state !== 'none'));
    const wishes = usual.map((room): TimelineWish => ({
      roomNid: room.room.roomNid,
      roomId: room.room.roomId,
      after: room.after,
      to: room.to,
      exclude: room.exclude,
      isVisible: visibility(room, userId, current.get(room.room.roomNid)),
    }));
    const timelines = await this.timelines.collect(wishes, { limit: filter.limit, matcher: filter.timeline, ignored, maxBytes });
    const only = await this.events.load(rooms.flatMap((room) => room.onlyEvent ?? []));
    return rooms.map((room) => ({ plan: room, timeline: timelines.get(room.room.roomNid) ?? onlyTimeline(room, only) }));
  }

  /** Ids of the state events that a reader gets in any case, although they happened before it came: a timeline without them would undo them. */
  async #currentState(rooms: readonly RoomPlan[]): Promise<Map<number, ReadonlySet<number>>> {
    const at = rooms.map((room) => ({ roomNid: room.room.roomNid, pos: room.stateTo }));
    const [states, members] = await Promise.all([this.windows.state(at), this.windows.members(at)]);
    return new Map(at.map(({ roomNid }) => [
      roomNid,
      new Set([...(states.get(roomNid)?.values() ?? []), ...(members.get(roomNid)?.values() ?? [])]),
    ]));
  }
}

/**
 * The test of the history visibility; undefined where everything may be seen. A reader always sees its own memberships, and nothing else
 * of a room that it was not in.
 */
function visibility(
  { history, hides, state, section, stateTo }: RoomPlan, userId: string, current: ReadonlySet<number> | undefined,
): TimelineWish['isVisible'] {
  if (!history || !hides) return undefined;
  const isOwn = (event: SyncEvent): boolean => event.type === 'm.room.member' && event.stateKey === userId;
  if (state === 'none') return isOwn;
  // Anybody may read what happens in an open room after he left, but it is not told him.
  const isAfter = (pos: number): boolean => section === 'leave' && pos > stateTo;
  const isChange = (event: SyncEvent): boolean => event.type === 'm.room.history_visibility' && event.stateKey === '';
  return (event, pos) => isOwn(event) || (!isAfter(pos) && history.isVisible(pos, isChange(event))) || (event.stateKey !== null && current?.has(event.nid) === true);
}

function onlyTimeline(plan: RoomPlan, events: ReadonlyMap<number, SyncEvent>): CollectedTimeline {
  const event = plan.onlyEvent === undefined ? undefined : events.get(plan.onlyEvent);
  return { entries: event ? [{ event, pos: plan.to }] : [], limited: false, start: plan.to };
}
