import { Injectable } from '@nestjs/common';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { RoomPlanner } from '../engine/room-planner.js';
import { RoomSizes } from '../engine/room-sizes.js';
import { RoomStates, type SelectedState } from '../engine/room-states.js';
import { RoomTimelines } from '../engine/room-timelines.js';
import type { RoomsRequest, Widened } from '../engine/sync-request.js';
import { EventMatcher } from '../filter/event-matcher.js';
import type { RoomSelection } from '../filter/room-selection.js';
import { fittingCount } from '../rooms/byte-shares.js';
import type { ChosenRoom, RoomsAsked } from './chosen-room.js';
import type { WantedRoom } from './room-list.js';
import { RoomResults } from './room-results.js';
import type { RoomConfig } from './sliding-request.js';
import type { LookedAt } from './told-rooms.js';

/** Bytes of the events of one answer. Rooms beyond are told by the next one; a single room has a place in any case. */
const MAX_BYTES = 8 * 1024 * 1024;
/** Rooms that are looked at together. */
const ROOMS_AT_ONCE = 100;

const NONE: SelectedState = { nids: [], deltas: [], summary: null };
const everything = new EventMatcher();

export interface RoomsAnswer {
  /** By room id: JSON texts of the rooms in which there is something new. */
  readonly texts: ReadonlyMap<string, string>;
  /** Rooms that were looked at, by number; the others had no place. */
  readonly lookedAt: ReadonlyMap<number, Omit<LookedAt, 'missed'>>;
}

/** Answers the rooms of a sliding sync, from the same engine as `/sync`: many rooms at a time, every kind of data read once for all of them. */
@Injectable()
export class RoomAnswers {
  constructor(
    private readonly planner: RoomPlanner,
    private readonly timelines: RoomTimelines,
    private readonly states: RoomStates,
    private readonly sizes: RoomSizes,
    private readonly results: RoomResults,
  ) {}

  async write(asked: RoomsAsked): Promise<RoomsAnswer> {
    const texts = new Map<string, string>();
    const lookedAt = new Map<number, Omit<LookedAt, 'missed'>>();
    for (let done = 0, bytes = 0; done < asked.rooms.length && bytes < MAX_BYTES / 2;) {
      const part = asked.rooms.slice(done, done + ROOMS_AT_ONCE);
      const used = await this.#part(asked, part, MAX_BYTES - bytes, texts, lookedAt);
      bytes += used;
      done += part.length;
      if (part.some(({ room }) => !lookedAt.has(room.roomNid))) break;
    }
    return { texts, lookedAt };
  }

  /** Writes rooms, as many as have a place. @returns their bytes */
  async #part(
    asked: RoomsAsked, rooms: readonly WantedRoom[], maxBytes: number, texts: Map<string, string>, lookedAt: Map<number, Omit<LookedAt, 'missed'>>,
  ): Promise<number> {
    const chosen = new Map<number, ChosenRoom & { readonly bytes: number }>();
    const invites: RoomMembership[] = [];
    for (const group of byConfig(rooms)) {
      const request = this.#requestOf(asked, group);
      const plan = await this.planner.plan(request, group.map(({ room }) => room), asked.to, asked.ignored);
      invites.push(...plan.invites, ...plan.knocks);
      const withTimelines = await this.timelines.of(request, plan, plan.rooms, asked.ignored, maxBytes / 2);
      const states = await this.states.select(request, withTimelines);
      const sizes = await this.sizes.fit(withTimelines, states);
      for (const [i, room] of withTimelines.entries()) {
        const { roomNid } = room.plan.room;
        const wanted = group.find((one) => one.room.roomNid === roomNid)!;
        chosen.set(roomNid, { ...room, wanted, told: asked.state.rooms.get(roomNid), state: states.get(roomNid) ?? NONE, bytes: sizes[i]! });
      }
    }
    const count = Math.max(texts.size === 0 ? 1 : 0, fittingCount(rooms.map(({ room }) => chosen.get(room.roomNid)?.bytes ?? 0), maxBytes));
    const placed = rooms.slice(0, count);
    const shown = placed.flatMap(({ room }) => chosen.get(room.roomNid) ?? []).filter((room) => isShown(asked, room));
    const invited = new Set(invites.map(({ roomNid }) => roomNid));
    const written = await this.results.write(asked, shown, placed.filter(({ room }) => invited.has(room.roomNid)));
    for (const [roomId, text] of written) texts.set(roomId, text);
    const isShownOf = new Map(shown.map((room) => [room.plan.room.roomNid, room]));
    for (const { room, config } of placed) {
      const one = isShownOf.get(room.roomNid);
      lookedAt.set(room.roomNid, {
        config, isDirect: asked.directs.has(room.roomId), shown: one && { limit: config.limit, isWhole: one.timeline.limited || one.plan.after === 0 },
      });
    }
    return placed.reduce((sum, { room }) => sum + (chosen.get(room.roomNid)?.bytes ?? 0), 0);
  }

  #requestOf({ request, state, lazy, directs }: RoomsAsked, group: readonly WantedRoom[]): RoomsRequest {
    const { userId, deviceId } = request.requester;
    const known = group.flatMap(({ room, config }) => {
      const told = state.rooms.get(room.roomNid);
      return told ? [{ room, config, told }] : [];
    });
    const widened = known.flatMap(({ room, config, told }): [number, Widened][] => {
      const timeline = config.limit > told.limit;
      const isWider = told.state !== null && !told.state.covers(config.state);
      const isChanged = timeline || isWider || told.isDirect !== directs.has(room.roomId);
      return room.membership === 'join' && isChanged ? [[room.roomNid, { timeline, state: isWider }]] : [];
    });
    return {
      userId, deviceId, fullState: false, useStateAfter: true, lazy,
      filter: selectionOf(group[0]!.config),
      since: {
        positions: state.positions,
        awaited: state.awaited,
        told: new Map(known.map(({ room, told }) => [room.roomNid, { fromPos: (told.at ?? state.moment).events, exclude: told.exclude }])),
      },
      widened: new Map(widened),
    };
  }
}

function byConfig(rooms: readonly WantedRoom[]): WantedRoom[][] {
  const groups = new Map<string, WantedRoom[]>();
  for (const room of rooms) {
    const key = `${room.config.limit} ${room.config.state.text}`;
    const group = groups.get(key);
    if (group) group.push(room);
    else groups.set(key, [room]);
  }
  return [...groups.values()];
}

function selectionOf({ limit, state }: RoomConfig): RoomSelection {
  return {
    timeline: everything, state, limit, includeLeave: true, lazyMembers: state.lazyMembers, redundantMembers: false, includesRoom: () => true,
  };
}

/** Whether there is something to tell of a room in which something may have happened. */
function isShown({ directs, state }: RoomsAsked, { plan, timeline, state: { nids, deltas, summary }, told, wanted }: ChosenRoom): boolean {
  if (plan.section === 'leave' || plan.isNew || timeline.entries.length > 0 || timeline.limited || nids.length > 0 || summary !== null) return true;
  if (told && told.isDirect !== directs.has(plan.room.roomId)) return true;
  return deltas.some(({ key, nid, pos }) => nid === null && pos > (told?.at ?? state.moment).events && wanted.config.state.passesKey(key));
}
