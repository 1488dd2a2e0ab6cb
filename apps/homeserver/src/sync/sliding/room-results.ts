import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import { Clock } from '../../observability/clock.js';
import { type EventContext, writeEvent } from '../engine/event-writer.js';
import { shownEvents } from '../engine/shown-events.js';
import { ShownStates } from '../engine/shown-states.js';
import { Aggregations } from '../relations/aggregations.js';
import { LazyMembers } from '../rooms/lazy-members.js';
import type { StateDelta } from '../rooms/room-log.js';
import { RoomSummaries, type Summary } from '../rooms/room-summaries.js';
import { RoomWindows } from '../rooms/room-windows.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { SyncTokens } from '../sync-tokens.js';
import { UnreadCounter } from '../unread/unread-counter.js';
import type { UnreadCounts } from '../unread/unread-tally.js';
import { type ChosenRoom, isInitial, type RoomsAsked } from './chosen-room.js';
import { AVATAR_KEY, NAME_KEY } from './required-state.js';
import { RoomActivity } from './room-activity.js';
import type { WantedRoom } from './room-list.js';
import { type RoomResult, roomText } from './room-text.js';

/** What was read for the rooms of an answer. */
interface Read {
  readonly context: EventContext;
  readonly events: ReadonlyMap<number, SyncEvent>;
  readonly summaries: ReadonlyMap<number, Summary>;
  readonly names: ReadonlyMap<number, ReadonlyMap<string, number | null>>;
  readonly bumps: ReadonlyMap<number, number>;
  readonly unread: ReadonlyMap<string, UnreadCounts>;
  readonly stripped: ReadonlyMap<number, string>;
  readonly relations: ReadonlyMap<number, string>;
}

/** Writes what was chosen of rooms. Each kind of data is read once for all of them. */
@Injectable()
export class RoomResults {
  constructor(
    private readonly windows: RoomWindows,
    private readonly summaries: RoomSummaries,
    private readonly events: SyncEvents,
    private readonly lazyMembers: LazyMembers,
    private readonly activity: RoomActivity,
    private readonly unread: UnreadCounter,
    private readonly shown: ShownStates,
    private readonly aggregations: Aggregations,
    private readonly tokens: SyncTokens,
    private readonly clock: Clock,
  ) {}

  /**
   * @param invites rooms of which the reader sees what is shown with an invitation, or a knock
   * @returns JSON texts, by room id
   */
  async write(asked: RoomsAsked, rooms: readonly ChosenRoom[], invites: readonly WantedRoom[]): Promise<Map<string, string>> {
    if (rooms.length + invites.length === 0) return new Map();
    const { request: { dialect } } = asked;
    const read = await this.#read(asked, rooms, invites);
    const texts = new Map<string, string>();
    for (const room of rooms) {
      this.#remember(asked, room, read.events);
      texts.set(room.plan.room.roomId, roomText(this.#result(asked, room, read), dialect));
    }
    for (const { room, lists } of invites) {
      texts.set(room.roomId, roomText({
        isInitial: true, membership: room.membership, lists, bumpStamp: room.pos, stripped: read.stripped.get(room.roomNid),
        isDirect: asked.directs.has(room.roomId) || undefined,
      }, dialect));
    }
    return texts;
  }

  async #read(asked: RoomsAsked, rooms: readonly ChosenRoom[], invites: readonly WantedRoom[]): Promise<Read> {
    const { request: { requester: { userId, deviceId }, frontier, dialect } } = asked;
    const context = { now: this.clock.now(), userId, deviceId, fields: null, isFederationFormat: false, withTxn: frontier };
    const joined = rooms.flatMap(({ plan: { section, room } }) => (section === 'join' ? [room] : []));
    const [summaries, names, bumps, unread, stripped, relations] = await Promise.all([
      this.summaries.read(rooms.flatMap(({ plan: { room }, state }) => (state.summary === null ? [] : [room])), userId),
      this.#names(rooms),
      this.activity.bumps(joined.map((room) => room.roomNid)),
      dialect === 'v4' ? new Map<string, UnreadCounts>() : this.unread.counts(userId, joined, asked.to, false),
      this.shown.of(userId, [...invites.map(({ room }) => room), ...rooms.flatMap(({ plan: { state, room } }) => (state === 'none' ? [room] : []))]),
      this.aggregations.of(context, asked.ignored, rooms.map(shownEvents)),
    ]);
    const events = await this.events.load([
      ...rooms.flatMap(({ state }) => state.nids),
      ...rooms.flatMap(replacedNids),
      ...[...summaries.values()].flatMap(({ heroes }) => (heroes ?? []).map((hero) => hero.eventNid)),
      ...[...names.values()].flatMap((changed) => [...changed.values()].filter((nid) => nid !== null)),
    ]);
    return { context, events, summaries, names, bumps, unread, stripped, relations };
  }

  /** Name and picture of rooms, as far as they have changed for the client: by number and key, null for what was taken away. */
  async #names(rooms: readonly ChosenRoom[]): Promise<Map<number, Map<string, number | null>>> {
    const whole = rooms.filter(({ plan }) => plan.state === 'full' && isInitial(plan));
    const states = await this.windows.state(whole.map(({ plan }) => ({ roomNid: plan.room.roomNid, pos: plan.stateTo })));
    return new Map(rooms.map(({ plan, state: { deltas }, told }) => {
      const found = new Map<string, number | null>();
      const state = states.get(plan.room.roomNid);
      for (const key of [NAME_KEY, AVATAR_KEY]) {
        const nid = state ? state.get(key) : told && lastChange(deltas, key);
        if (nid !== undefined) found.set(key, nid);
      }
      return [plan.room.roomNid, found];
    }));
  }

  #result(asked: RoomsAsked, { plan, timeline, state, wanted, told }: ChosenRoom, read: Read): RoomResult {
    const { room } = plan;
    const initial = isInitial(plan);
    const summary = read.summaries.get(room.roomNid);
    // To a client that comes from another home everything is new that it has not seen there.
    const liveAfter = told?.exclude && told.at ? told.at.events : asked.state.positions.events;
    const isDirect = asked.directs.has(room.roomId);
    const names = read.names.get(room.roomNid)!;
    const nameOf = (key: string, member: 'name' | 'url'): string | null | undefined => {
      const nid = names.get(key);
      if (nid === undefined) return undefined;
      const value = nid === null ? undefined : read.events.get(nid)?.content[member];
      if (typeof value === 'string' && value !== '') return value;
      return initial ? undefined : null;
    };
    return {
      isInitial: initial,
      isExpanded: plan.changesAfter !== undefined && plan.after < plan.changesAfter,
      membership: room.membership,
      lists: wanted.lists,
      bumpStamp: plan.section === 'join' ? (read.bumps.get(room.roomNid) ?? room.pos) : room.pos,
      name: nameOf(NAME_KEY, 'name'),
      avatar: nameOf(AVATAR_KEY, 'url'),
      heroes: summary?.heroes?.map(({ userId, eventNid }) => {
        const content = read.events.get(eventNid)?.content;
        return { userId, displayName: content?.['displayname'], avatarUrl: content?.['avatar_url'] };
      }),
      isDirect: initial || !told || told.isDirect === isDirect ? isDirect || undefined : isDirect,
      joined: summary?.joined,
      invited: summary?.invited,
      unread: plan.section === 'join' && asked.request.dialect === 'unstable' ? (read.unread.get(room.roomId) ?? { notifications: 0, highlights: 0 }) : undefined,
      ...this.#events(asked, { plan, timeline, state, wanted, told }, read),
      isLimited: timeline.limited || plan.newlyJoined,
      live: asked.isFirst ? 0 : timeline.entries.filter(({ pos }) => pos > liveAfter).length,
      prevBatch: timeline.entries.length > 0 || initial ? this.tokens.place(Math.max(0, timeline.start - 1)) : undefined,
      stripped: plan.state === 'none' && asked.request.dialect === 'v4' ? read.stripped.get(room.roomNid) : undefined,
    };
  }

  #events(asked: RoomsAsked, { plan, timeline, state, wanted, told }: ChosenRoom, { context, events, relations }: Read): Pick<RoomResult, 'timeline' | 'state' | 'removed'> {
    const { roomId } = plan.room;
    const replaced = new Map(state.deltas.flatMap(({ nid, previous }): [number, SyncEvent][] => {
      const before = previous === null ? undefined : events.get(previous);
      return nid !== null && before ? [[nid, before]] : [];
    }));
    const required = wanted.config.state;
    return {
      timeline: timeline.entries.map(({ event, pos }) =>
        writeEvent(event, roomId, context, { membership: plan.history?.membershipAt(pos) ?? 'join', replaced: replaced.get(event.nid), relations: relations.get(event.nid) })),
      state: state.nids.flatMap((nid) => {
        const event = events.get(nid);
        return event && !plan.exclude?.has(event.eventId) ? [writeEvent(event, roomId, context, { replaced: replaced.get(nid) })] : [];
      }),
      removed: isInitial(plan) ? [] : removedOf(state.deltas, (told?.at ?? asked.state.moment).events).filter(({ key }) => required.passesKey(key)),
    };
  }

  /** Notes which member events the client gets, for lazy loading. */
  #remember({ lazy }: RoomsAsked, { plan, timeline, state, wanted }: ChosenRoom, events: ReadonlyMap<number, SyncEvent>): void {
    if (!wanted.config.state.lazyMembers) return;
    for (const event of [...state.nids.map((nid) => events.get(nid)), ...timeline.entries.map(({ event }) => event)]) {
      if (event?.type !== 'm.room.member' || event.stateKey === null) continue;
      this.lazyMembers.add(lazy.client, plan.room.roomNid, event.nid, stateKeyOf(event.type, event.stateKey), lazy.next);
    }
  }
}

/** The state events that those of the answer replaced. */
function replacedNids({ state, timeline }: ChosenRoom): number[] {
  const shown = new Set([...state.nids, ...timeline.entries.map(({ event }) => event.nid)]);
  return state.deltas.flatMap(({ nid, previous }) => (nid !== null && previous !== null && shown.has(nid) ? [previous] : []));
}

function lastChange(deltas: readonly StateDelta[], key: string): number | null | undefined {
  return deltas.findLast((delta) => delta.key === key)?.nid;
}

/** State that was taken away after the position and did not come back. */
function removedOf(deltas: readonly StateDelta[], after: number): { key: string; type: string; stateKey: string }[] {
  const last = new Map(deltas.filter(({ pos }) => pos > after).map((delta) => [delta.key, delta.nid]));
  return [...last].flatMap(([key, nid]) => {
    if (nid !== null) return [];
    const end = key.indexOf('\u0000');
    return [{ key, type: key.slice(0, end), stateKey: key.slice(end + 1) }];
  });
}
