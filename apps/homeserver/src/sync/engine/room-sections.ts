import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Clock } from '../../observability/clock.js';
import { LazyMembers } from '../rooms/lazy-members.js';
import { fittingCount } from '../rooms/byte-shares.js';
import { memberOf } from '../rooms/room-log.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { MAX_BEHIND, readUpTo, type RoomsBehind, type SyncCursor } from '../sync-token.js';
import { SyncTokens } from '../sync-tokens.js';
import { UnreadCounter } from '../unread/unread-counter.js';
import type { UnreadCounts } from '../unread/unread-tally.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { type EventContext, writeEvent } from './event-writer.js';
import { type RoomExtras, RoomExtrasReader } from './room-extras.js';
import type { AnswerPlan, RoomPlan } from './room-plan.js';
import { Aggregations } from '../relations/aggregations.js';
import { shownEvents } from './shown-events.js';
import { RoomSizes } from './room-sizes.js';
import { RoomStates, type RoomWithTimeline, type SelectedState } from './room-states.js';
import { RoomTimelines } from './room-timelines.js';
import { joinedText, quietCore, stateName } from './section-texts.js';
import type { AnswerMoment, SyncRequest } from './sync-request.js';

/** `rooms.join` and `rooms.leave`: room id → JSON text. */
export interface RoomSections {
  readonly join: ReadonlyMap<string, string>;
  readonly leave: ReadonlyMap<string, string>;
  /** Whether a joined room's timeline begins anew, so that the client gives up what it had of it. */
  readonly isAnew: boolean;
  /** Rooms that had no place in the answer; undefined when all had. */
  readonly behind?: readonly RoomsBehind[] | undefined;
}

/** Bytes of the events of one answer. Rooms beyond are told by the next one; a single room has a place in any case. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Rooms that are looked at together. */
const ROOMS_AT_ONCE = 200;

const NONE: SelectedState = { nids: [], deltas: [], summary: null };

/** What is being written. */
interface Answer {
  readonly request: SyncRequest;
  readonly plan: AnswerPlan;
  readonly ignored: ReadonlySet<string>;
  readonly extras: Promise<ReadonlyMap<string, RoomExtras>>;
  readonly join: Map<string, string>;
  readonly leave: Map<string, string>;
}

interface Part {
  /** Rooms that had a place. */
  readonly count: number;
  readonly isFull: boolean;
  readonly bytes: number;
  readonly isAnew: boolean;
}

/** Makes the sections of joined and left rooms; every kind of data is read once for all rooms. */
@Injectable()
export class RoomSectionsWriter {
  constructor(
    private readonly timelines: RoomTimelines,
    private readonly states: RoomStates,
    private readonly extras: RoomExtrasReader,
    private readonly sizes: RoomSizes,
    private readonly events: SyncEvents,
    private readonly lazyMembers: LazyMembers,
    private readonly unread: UnreadCounter,
    private readonly aggregations: Aggregations,
    private readonly tokens: SyncTokens,
    private readonly clock: Clock,
  ) {}

  async write(
    request: SyncRequest, plan: AnswerPlan, moment: AnswerMoment, ignored: ReadonlySet<string>,
  ): Promise<RoomSections> {
    const join = new Map<string, string>();
    const leave = new Map<string, string>();
    const extras = this.extras.read(request, plan, moment, ignored);
    // It is awaited later: what fails before that must not leave it without anybody who hears of its failure, which would end the process.
    extras.catch(() => undefined);
    const answer = { request, plan, ignored, extras, join, leave };
    // The newest rooms first: the order stays the same from answer to answer.
    const rooms = plan.rooms.toSorted((a, b) => b.room.roomNid - a.room.roomNid);
    const isBounded = (request.since?.behind?.length ?? 0) < MAX_BEHIND;
    let isAnew = false;
    let told = 0;
    for (let bytes = 0; told < rooms.length && bytes < MAX_BYTES / 2;) {
      const part = await this.#part(answer, rooms.slice(told, told + ROOMS_AT_ONCE), isBounded ? MAX_BYTES - bytes : Infinity, told === 0);
      told += part.count;
      if (isBounded) bytes += part.bytes;
      if (part.isAnew) isAnew = true;
      if (part.isFull) break;
    }
    const behind = told < rooms.length ? behindOf(request, rooms[told]!.room.roomNid) : undefined;
    await this.#writeExtras(answer, behind);
    return { join, leave, isAnew, behind };
  }

  /**
   * Writes rooms, as many as have a place.
   *
   * @param rooms those that are next
   * @param isFirst whether one of them has to have a place
   */
  async #part(answer: Answer, rooms: readonly RoomPlan[], maxBytes: number, isFirst: boolean): Promise<Part> {
    const { request, plan, ignored, join, leave } = answer;
    const withTimelines = await this.timelines.of(request, plan, rooms, ignored, Math.min(maxBytes, MAX_BYTES / 2));
    const states = await this.states.select(request, withTimelines);
    const sizes = await this.sizes.fit(withTimelines, states);
    const count = Math.max(isFirst ? 1 : 0, fittingCount(sizes, maxBytes));
    const told = withTimelines.slice(0, count);
    const [unmoved, extras] = await Promise.all([this.#unmoved(told, states), answer.extras]);
    const shown = told.filter((room) => !unmoved.has(room.plan.room.roomNid) && isShown(room, states.get(room.plan.room.roomNid), extras));
    const context = this.#context(request);
    const [unread, events, relations] = await Promise.all([
      this.#unread(request, shown.flatMap((room) => (room.plan.section === 'join' ? [room.plan.room] : [])), plan.to),
      this.#stateEvents(shown, states),
      this.aggregations.of(context, ignored, shown.map(shownEvents)),
    ]);
    for (const room of shown) {
      const { roomId, roomNid } = room.plan.room;
      const state = states.get(roomNid) ?? NONE;
      const core = this.#core(request, room, state, events, relations, context);
      this.#remember(request, room, state, events, plan.to);
      if (room.plan.section === 'leave') leave.set(roomId, `{${core},"account_data":{"events":[]}}`);
      else join.set(roomId, joinedText(core, state.summary, extras.get(roomId), unread.get(roomId)));
    }
    return {
      count,
      isFull: count < rooms.length,
      bytes: sizes.slice(0, count).reduce((sum, size) => sum + size, 0),
      isAnew: shown.some(({ plan: { section }, timeline }) => section === 'join' && timeline.limited),
    };
  }

  /** Rooms in which nothing happened but a receipt, typing or a change of account data. */
  async #writeExtras({ request, plan, join, extras }: Answer, behind: readonly RoomsBehind[] | undefined): Promise<void> {
    const since = behind && { ...request.since, behind } as SyncCursor;
    const rooms: RoomMembership[] = [];
    const found = await extras;
    for (const room of plan.joined) {
      // Not of what the client does not know yet.
      if (found.has(room.roomId) && !join.has(room.roomId) && !(since && readUpTo(since, room.roomNid) === null)) rooms.push(room);
    }
    if (rooms.length === 0) return;
    const unread = await this.#unread(request, rooms, plan.to);
    const core = quietCore(request, this.tokens.place(plan.to));
    for (const { roomId } of rooms) join.set(roomId, joinedText(core, null, found.get(roomId), unread.get(roomId)));
  }

  #context({ userId, deviceId, filter, frontier }: SyncRequest): EventContext {
    return { now: this.clock.now(), userId, deviceId, fields: filter.fields, isFederationFormat: filter.isFederationFormat, withTxn: frontier };
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

  #unread(request: SyncRequest, rooms: readonly RoomMembership[], to: number): Promise<Map<string, UnreadCounts>> {
    return rooms.length === 0 ? Promise.resolve(new Map()) : this.unread.counts(request.userId, rooms, to, request.filter.threadCounts);
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
    relations: ReadonlyMap<number, string>, context: EventContext,
  ): string {
    const { roomId } = plan.room;
    const replaced = new Map<number, SyncEvent>();
    for (const { nid, previous } of state.deltas) {
      const before = previous === null ? undefined : events.get(previous);
      if (nid !== null && before) replaced.set(nid, before);
    }
    const membershipAt = (pos: number): string => plan.history?.membershipAt(pos) ?? 'join';
    const timelineTexts = timeline.entries.map(({ event, pos }) =>
      writeEvent(event, roomId, context, { membership: membershipAt(pos), replaced: replaced.get(event.nid), relations: relations.get(event.nid) }));
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

/**
 * What a token says of rooms that had no place.
 *
 * @param upTo number of the first of them: those with lower ones had none either
 */
function behindOf({ since, fullState }: SyncRequest, upTo: number): readonly RoomsBehind[] {
  // What a token cannot say is given up: such rooms begin anew.
  const pos = since === null || since.resume !== undefined || fullState ? null : readUpTo(since, upTo);
  return [{ upTo, pos }, ...(since?.behind ?? []).filter((one) => one.upTo < upTo)];
}

function isShown(
  { plan, timeline }: RoomWithTimeline, state: SelectedState | undefined, extras: ReadonlyMap<string, RoomExtras>,
): boolean {
  if (plan.section === 'leave' || plan.state === 'full' || timeline.entries.length > 0 || timeline.limited) return true;
  return state !== undefined && (state.nids.length > 0 || state.summary !== null || extras.has(plan.room.roomId));
}
