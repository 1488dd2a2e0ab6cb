import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Clock } from '../../observability/clock.js';
import { LazyMembers } from '../rooms/lazy-members.js';
import { RoomWindows } from '../rooms/room-windows.js';
import { memberOf } from '../rooms/room-log.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { TimelineCollector, type CollectedTimeline, type TimelineWish } from '../rooms/timeline-collector.js';
import { SyncTokens } from '../sync-tokens.js';
import { UnreadCounter } from '../unread/unread-counter.js';
import type { UnreadCounts } from '../unread/unread-tally.js';
import { type EventContext, writeEvent } from './event-writer.js';
import { type RoomExtras, RoomExtrasReader } from './room-extras.js';
import type { AnswerPlan, RoomPlan } from './room-plan.js';
import { RoomStates, type RoomWithTimeline, type SelectedState } from './room-states.js';
import type { AnswerMoment, SyncRequest } from './sync-request.js';

/** `rooms.join` and `rooms.leave`: room id → JSON text. */
export interface RoomSections {
  readonly join: ReadonlyMap<string, string>;
  readonly leave: ReadonlyMap<string, string>;
  /** Whether a joined room's timeline begins anew, so that the client gives up what it had of it. */
  readonly isAnew: boolean;
}

const NONE: SelectedState = { nids: [], deltas: [], summary: null };
const NO_EXTRAS: RoomExtras = { ephemeral: [], accountData: [] };

/** Makes the sections of joined and left rooms; every kind of data is read once for all rooms. */
@Injectable()
export class RoomSectionsWriter {
  constructor(
    private readonly windows: RoomWindows,
    private readonly timelines: TimelineCollector,
    private readonly states: RoomStates,
    private readonly extras: RoomExtrasReader,
    private readonly events: SyncEvents,
    private readonly lazyMembers: LazyMembers,
    private readonly unread: UnreadCounter,
    private readonly tokens: SyncTokens,
    private readonly clock: Clock,
  ) {}

  async write(
    request: SyncRequest, plan: AnswerPlan, moment: AnswerMoment, ignored: ReadonlySet<string>,
  ): Promise<RoomSections> {
    const [rooms, extras] = await Promise.all([
      this.#roomsWithTimelines(request, plan, ignored),
      this.extras.read(request, plan, moment),
    ]);
    const states = await this.states.select(request, rooms);
    const unmoved = await this.#unmoved(rooms, states);
    const shown = rooms.filter((room) => !unmoved.has(room.plan.room.roomNid) && isShown(room, states.get(room.plan.room.roomNid), extras));
    const [unread, events] = await Promise.all([
      this.#unread(request, plan, shown, extras),
      this.#stateEvents(shown, states),
    ]);
    const context: EventContext = {
      now: this.clock.now(),
      userId: request.userId,
      deviceId: request.deviceId,
      fields: request.filter.fields,
      isFederationFormat: request.filter.isFederationFormat,
      withTxn: request.frontier,
    };
    const join = new Map<string, string>();
    const leave = new Map<string, string>();
    for (const room of shown) {
      const { roomId, roomNid } = room.plan.room;
      const state = states.get(roomNid) ?? NONE;
      const core = this.#core(request, room, state, events, context);
      this.#remember(request, room, state, events, plan.to);
      if (room.plan.section === 'leave') leave.set(roomId, `{${core},"account_data":{"events":[]}}`);
      else join.set(roomId, joinedText(core, state, extras.get(roomId), unread.get(roomId)));
    }
    // Rooms in which nothing happened but a receipt, typing or a change of account data.
    for (const [roomId, extra] of extras) {
      if (join.has(roomId)) continue;
      const to = this.tokens.place(plan.to);
      const core = `"timeline":{"events":[],"limited":false,"prev_batch":"${to}"},"${stateName(request)}":{"events":[]}`;
      join.set(roomId, joinedText(core, NONE, extra, unread.get(roomId)));
    }
    const isAnew = shown.some(({ plan: { section }, timeline }) => section === 'join' && timeline.limited);
    return { join, leave, isAnew };
  }

  /** Rooms of which there is nothing to show but a summary, and in which nobody came, went or was named anew by an event that counts. */
  async #unmoved(rooms: readonly RoomWithTimeline[], states: ReadonlyMap<number, SelectedState>): Promise<Set<number>> {
    const silent = rooms.flatMap(({ plan, timeline }) => {
      const state = states.get(plan.room.roomNid);
      const isSilent = plan.section === 'join' && plan.state === 'changes' && timeline.entries.length === 0 && !timeline.limited
        && state?.nids.length === 0 && state.summary !== null && state.deltas.every(({ key }) => memberOf(key) !== undefined);
      return isSilent ? [{ roomNid: plan.room.roomNid, deltas: state.deltas }] : [];
    });
    if (silent.length === 0) return new Set();
    const events = await this.events.load(silent.flatMap(({ deltas }) => deltas.flatMap(({ nid, previous }) => [nid, previous].filter((one) => one !== null))));
    const membership = (nid: number | null): string | undefined => (nid === null ? undefined : events.get(nid)?.membership);
    return new Set(silent.filter(({ deltas }) => deltas.every((delta) => membership(delta.nid) === membership(delta.previous))).map(({ roomNid }) => roomNid));
  }

  async #roomsWithTimelines(
    request: SyncRequest, plan: AnswerPlan, ignored: ReadonlySet<string>,
  ): Promise<RoomWithTimeline[]> {
    if (plan.rooms.length === 0) return [];
    await this.windows.refresh(plan.rooms.map(({ room }) => room.roomNid), plan.to);
    const usual = plan.rooms.filter((room) => room.onlyEvent === undefined);
    const current = await this.#currentState(usual.filter((room) => room.hides && room.state !== 'none'));
    const wishes = usual.map((room): TimelineWish => ({
      roomNid: room.room.roomNid,
      roomId: room.room.roomId,
      after: room.after,
      to: room.to,
      exclude: room.exclude,
      isVisible: visibility(room, request.userId, current.get(room.room.roomNid)),
    }));
    const { filter } = request;
    const timelines = await this.timelines.collect(wishes, filter.limit, filter.timeline, ignored);
    const only = await this.events.load(plan.rooms.flatMap((room) => room.onlyEvent ?? []));
    return plan.rooms.map((room) => ({ plan: room, timeline: timelines.get(room.room.roomNid) ?? onlyTimeline(room, only) }));
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

  #unread(
    request: SyncRequest, plan: AnswerPlan, shown: readonly RoomWithTimeline[],
    extras: ReadonlyMap<string, RoomExtras>,
  ): Promise<Map<string, UnreadCounts>> {
    const ids = new Set(shown.map(({ plan: room }) => room.room.roomId));
    const rooms = plan.joined.filter((room) => ids.has(room.roomId) || extras.has(room.roomId));
    return rooms.length === 0 ? Promise.resolve(new Map()) : this.unread.counts(request.userId, rooms, plan.to, request.filter.threadCounts);
  }

  /** State events to send, and those that the timeline's state events replaced. */
  #stateEvents(
    rooms: readonly RoomWithTimeline[], states: ReadonlyMap<number, SelectedState>,
  ): Promise<Map<number, SyncEvent>> {
    const nids: number[] = [];
    for (const { plan, timeline } of rooms) {
      const state = states.get(plan.room.roomNid) ?? NONE;
      const shown = new Set([...state.nids, ...timeline.entries.map(({ event }) => event.nid)]);
      nids.push(...state.nids);
      for (const { nid, previous } of state.deltas) if (nid !== null && previous !== null && shown.has(nid)) nids.push(previous);
    }
    return this.events.load(nids);
  }

  #core(
    request: SyncRequest, { plan, timeline }: RoomWithTimeline, state: SelectedState, events: ReadonlyMap<number, SyncEvent>,
    context: EventContext,
  ): string {
    const { roomId } = plan.room;
    const replaced = new Map<number, SyncEvent>();
    for (const { nid, previous } of state.deltas) {
      const before = previous === null ? undefined : events.get(previous);
      if (nid !== null && before) replaced.set(nid, before);
    }
    const membershipAt = (pos: number): string => plan.history?.membershipAt(pos) ?? 'join';
    const timelineTexts = timeline.entries.map(({ event, pos }) =>
      writeEvent(event, roomId, context, { membership: membershipAt(pos), replaced: replaced.get(event.nid) }));
    const stateTexts: string[] = [];
    for (const nid of state.nids) {
      const event = events.get(nid);
      if (!event || plan.exclude?.has(event.eventId) || !request.filter.state.passes(event)) continue;
      stateTexts.push(writeEvent(event, roomId, context, { replaced: replaced.get(nid) }));
    }
    const limited = timeline.limited || plan.newlyJoined;
    const prevBatch = this.tokens.place(Math.max(0, timeline.start - 1));
    return `"timeline":{"events":[${timelineTexts.join(',')}],"limited":${limited},"prev_batch":"${prevBatch}"}`
      + `,"${stateName(request)}":{"events":[${stateTexts.join(',')}]}`;
  }

  /** Notes which member events the device gets, for lazy loading. */
  #remember(
    request: SyncRequest, { plan, timeline }: RoomWithTimeline, state: SelectedState,
    events: ReadonlyMap<number, SyncEvent>, pos: number,
  ): void {
    if (!request.filter.lazyMembers) return;
    const device = `${request.userId} ${request.deviceId}`;
    const sent = [...state.nids.map((nid) => events.get(nid)), ...timeline.entries.map(({ event }) => event)];
    for (const event of sent) {
      if (event?.type !== 'm.room.member' || event.stateKey === null) continue;
      this.lazyMembers.add(device, plan.room.roomNid, event.nid, stateKeyOf(event.type, event.stateKey), pos);
    }
  }
}

function stateName(request: SyncRequest): string {
  return request.useStateAfter ? 'state_after' : 'state';
}

function isShown(
  { plan, timeline }: RoomWithTimeline, state: SelectedState | undefined, extras: ReadonlyMap<string, RoomExtras>,
): boolean {
  if (plan.section === 'leave' || plan.state === 'full' || timeline.entries.length > 0 || timeline.limited) return true;
  return state !== undefined && (state.nids.length > 0 || state.summary !== null || extras.has(plan.room.roomId));
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
  return (event, pos) => isOwn(event) || (!isAfter(pos) && history.isVisible(pos)) || (event.stateKey !== null && current?.has(event.nid) === true);
}

function onlyTimeline(plan: RoomPlan, events: ReadonlyMap<number, SyncEvent>): CollectedTimeline {
  const event = plan.onlyEvent === undefined ? undefined : events.get(plan.onlyEvent);
  return { entries: event ? [{ event, pos: plan.to }] : [], limited: false, start: plan.to };
}

function joinedText(
  core: string, state: SelectedState, extras: RoomExtras | undefined, unread: UnreadCounts | undefined,
): string {
  const { ephemeral, accountData } = extras ?? NO_EXTRAS;
  let text = `{${core},"account_data":{"events":[${accountData.join(',')}]},"ephemeral":{"events":[${ephemeral.join(',')}]}`;
  text += `,"unread_notifications":${countsText(unread, unread?.isPartial)}`;
  if (unread && unread.threads.size > 0) {
    const threads = [...unread.threads].map(([root, counts]) => `${JSON.stringify(root)}:${countsText(counts)}`);
    text += `,"unread_thread_notifications":{${threads.join(',')}}`;
  }
  return `${text},"summary":${state.summary ?? '{}'}}`;
}

/** @param isPartial whether there may be more, of what is not here (protocol §4) */
function countsText(counts: { notifications: number; highlights: number } | undefined, isPartial = false): string {
  const partial = isPartial ? ',"io.partyline.partial":true' : '';
  return `{"notification_count":${counts?.notifications ?? 0},"highlight_count":${counts?.highlights ?? 0}${partial}}`;
}
