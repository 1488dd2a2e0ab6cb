import { Injectable } from '@nestjs/common';
import { stateKeyOf } from '#federation';
import type { StateFilter } from '../filter/state-filter.js';
import { LazyMembers } from '../rooms/lazy-members.js';
import { memberOf, type StateDelta } from '../rooms/room-log.js';
import { RoomSummaries } from '../rooms/room-summaries.js';
import { RoomWindows } from '../rooms/room-windows.js';
import { selectState } from '../rooms/state-selection.js';
import type { CollectedTimeline } from '../rooms/timeline-collector.js';
import type { RoomPlan } from './room-plan.js';
import type { RoomsRequest } from './sync-request.js';

export interface RoomWithTimeline {
  readonly plan: RoomPlan;
  readonly timeline: CollectedTimeline;
}

/** What stands in an answer beside a room's timeline. */
export interface SelectedState {
  /** State events to send. */
  readonly nids: readonly number[];
  /** Changes of state that are known, for `prev_content`. */
  readonly deltas: readonly StateDelta[];
  /** JSON text of the summary; null where nothing of it changed. */
  readonly summary: string | null;
}

const NAME_KEYS: readonly string[] = [stateKeyOf('m.room.name', ''), stateKeyOf('m.room.canonical_alias', '')];

/** Chooses the state events of all rooms of an answer: at most four reads, whatever their number. */
@Injectable()
export class RoomStates {
  constructor(
    private readonly windows: RoomWindows,
    private readonly summaries: RoomSummaries,
    private readonly lazyMembers: LazyMembers,
  ) {}

  async select(request: RoomsRequest, rooms: readonly RoomWithTimeline[]): Promise<Map<number, SelectedState>> {
    const deltas = await this.windows.deltas(rooms.flatMap(deltaStretch));
    const [summaries, states, members] = await Promise.all([
      this.#summaries(request, rooms, deltas),
      this.windows.state(rooms.filter(({ plan }) => plan.state === 'full').map(at)),
      this.#allMembers(request, rooms),
    ]);
    const lazy = request.filter.lazyMembers ? await this.#lazyMembers(request, rooms, summaries) : new Map<number, Map<string, number>>();
    return new Map(rooms.map((room): [number, SelectedState] => {
      const { roomNid } = room.plan.room;
      const state = states.get(roomNid) ?? new Map<string, number>();
      for (const [key, nid] of members.get(roomNid) ?? []) state.set(key, nid);
      const own = deltas.get(roomNid) ?? [];
      return [roomNid, {
        nids: this.#select(request, room, state, own, lazy.get(roomNid) ?? new Map()),
        deltas: own,
        summary: summaries.get(roomNid)?.json ?? null,
      }];
    }));
  }

  #select(
    request: RoomsRequest, { plan, timeline }: RoomWithTimeline, state: Map<string, number>, deltas: readonly StateDelta[],
    lazy: ReadonlyMap<string, number>,
  ): number[] {
    const matcher = request.filter.state;
    if (matcher.blocksRoom(plan.room.roomId)) return [];
    // A client that takes nothing from the timeline is told here what it is.
    if (plan.state === 'none') return request.useStateAfter ? [plan.room.eventNid] : [];
    // What became of the reader after it left stands in the timeline only, from which such a client takes nothing.
    const own = stateKeyOf('m.room.member', request.userId);
    if (plan.section === 'leave' && request.useStateAfter) {
      state.set(own, plan.room.eventNid);
      deltas = [...deltas, { pos: plan.to, key: own, nid: plan.room.eventNid, previous: null }];
      lazy = new Map([...lazy].filter(([key]) => key !== own));
    }
    const isMissed = (key: string): boolean => timeline.limited && request.filter.lazyMembers && !matcher.missedMembers && isUnnamed(matcher.members, key);
    const passes = (key: string): boolean => matcher.passesKey(key);
    const base = {
      deltas: matcher.passesAll ? deltas : deltas.filter((delta) => passes(delta.key) && !isMissed(delta.key)),
      timeline: new Set(timeline.entries.map(({ event }) => event.nid)),
      start: timeline.start,
      after: request.useStateAfter,
    };
    const chosen = new Set<number>();
    if (plan.state === 'full') {
      for (const [key, nid] of lazy) state.set(key, nid);
      if (!matcher.passesAll) for (const key of state.keys()) if (!passes(key)) state.delete(key);
      for (const nid of selectState({ ...base, full: state })) chosen.add(nid);
    } else {
      for (const nid of selectState({ ...base, full: null })) chosen.add(nid);
      const members = new Map([...lazy].filter(([key]) => passes(key)));
      for (const nid of selectState({ ...base, full: members })) chosen.add(nid);
    }
    return [...chosen];
  }

  async #summaries(request: RoomsRequest, rooms: readonly RoomWithTimeline[], deltas: ReadonlyMap<number, readonly StateDelta[]>) {
    const changed = rooms.filter(({ plan }) => plan.section === 'join' && (plan.state === 'full'
      || deltas.get(plan.room.roomNid)?.some(({ key }) => memberOf(key) !== undefined || NAME_KEYS.includes(key))));
    return this.summaries.of(changed.map(({ plan }) => plan.room), request.userId);
  }

  /** The members that are wanted of a room's whole state, whoever needs them. */
  async #allMembers({ filter }: RoomsRequest, rooms: readonly RoomWithTimeline[]): Promise<Map<number, Map<string, number>>> {
    const { members } = filter.state;
    const whole = rooms.filter(({ plan }) => plan.state === 'full').map(at);
    if (members === 'all') return filter.lazyMembers ? new Map() : this.windows.members(whole);
    return members === 'none' ? new Map() : this.windows.someMembers(whole.flatMap((room) => [...members].map((userId) => ({ ...room, userId }))));
  }

  /** The members that a client needs to show the timeline, without those that it has. */
  async #lazyMembers(
    request: RoomsRequest, rooms: readonly RoomWithTimeline[],
    summaries: ReadonlyMap<number, { heroes: readonly { userId: string }[] }>,
  ): Promise<Map<number, Map<string, number>>> {
    // What a client has of an earlier stay is old where it changed meanwhile.
    const missed = await this.windows.deltas(rooms.flatMap(absence));
    const wanted: { roomNid: number; pos: number; userId: string }[] = [];
    for (const { plan, timeline } of rooms) {
      if (plan.state === 'none') continue;
      const { roomNid } = plan.room;
      const users = new Set(timeline.entries.map(({ event }) => event.sender));
      // It needs also those of whom the timeline tells.
      if (!request.filter.state.missedMembers) for (const { event } of timeline.entries) if (event.type === 'm.room.member' && event.stateKey !== null) users.add(event.stateKey);
      if (plan.state === 'full') users.add(request.userId);
      // A client that is not told who else came and went has its heroes by name.
      if (request.filter.state.missedMembers) for (const hero of summaries.get(roomNid)?.heroes ?? []) users.add(hero.userId);
      for (const { key } of missed.get(roomNid) ?? []) {
        const userId = memberOf(key);
        if (userId !== undefined) users.add(userId);
      }
      for (const userId of users) wanted.push({ ...at({ plan }), userId });
    }
    const members = await this.windows.someMembers(wanted);
    if (request.filter.redundantMembers || request.since === null) return members;
    const { client, since } = request.lazy ?? { client: `${request.userId} ${request.deviceId}`, since: request.since.positions.events };
    for (const { plan } of rooms) {
      const found = members.get(plan.room.roomNid);
      if (!found || plan.state === 'full') continue;
      for (const [key, nid] of found) if (this.lazyMembers.has(client, plan.room.roomNid, nid, key, since)) found.delete(key);
    }
    return members;
  }
}

function at({ plan }: { plan: RoomPlan }): { roomNid: number; pos: number } {
  return { roomNid: plan.room.roomNid, pos: plan.stateTo };
}

/** Whether a member's event comes only with what needs it. */
function isUnnamed(members: StateFilter['members'], key: string): boolean {
  const member = memberOf(key);
  return member !== undefined && (typeof members === 'string' || !members.has(member));
}

/** What happened since a client was in the room, where it gets the full state. */
function absence({ plan }: RoomWithTimeline): { roomNid: number; after: number; to: number }[] {
  const { knows } = plan;
  return plan.state === 'full' && knows !== null && knows !== undefined ? [{ roomNid: plan.room.roomNid, after: knows, to: plan.stateTo }] : [];
}

/**
 * The changes of state that matter: with the full state only those since the timeline's first state event, whose
 * previous value the client needs.
 */
function deltaStretch({ plan, timeline }: RoomWithTimeline): { roomNid: number; after: number; to: number }[] {
  if (plan.state === 'none') return [];
  const { roomNid } = plan.room;
  if (plan.changesAfter !== undefined || plan.state === 'changes') return [{ roomNid, after: plan.changesAfter ?? plan.after, to: plan.stateTo }];
  const first = timeline.entries.find(({ event }) => event.stateKey !== null);
  return first ? [{ roomNid, after: first.pos - 1, to: plan.stateTo }] : [];
}
