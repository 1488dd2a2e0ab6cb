import { Injectable } from '@nestjs/common';
import { RoomMarks } from '../../account-data/room-marks.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { RoomWindows } from '../rooms/room-windows.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { CombinedConfigs } from './combined-configs.js';
import { RoomActivity } from './room-activity.js';
import { type RoomFacts, RoomFactsReader } from './room-facts.js';
import type { ListFilters, RoomConfig, SlidingList, SlidingRequest } from './sliding-request.js';

const CHILD_PREFIX = 'm.space.child\u0000';

/** A room that is to be answered. */
export interface WantedRoom {
  readonly room: RoomMembership;
  /** Of all lists and subscriptions that it is in, together. */
  readonly config: RoomConfig;
  /** Names of the lists in whose ranges it is. */
  readonly lists: readonly string[];
  readonly isSubscribed: boolean;
}

/** The rooms that a request's lists and subscriptions match, most recent first. */
export interface WantedRooms {
  readonly rooms: readonly WantedRoom[];
  /** By name of the list: the rooms that pass its filters. */
  readonly counts: ReadonlyMap<string, number>;
}

/** Finds the rooms of lists: the account's rooms by their activity, then by each list's filters, then by its ranges. */
@Injectable()
export class RoomLists {
  constructor(
    private readonly activity: RoomActivity,
    private readonly facts: RoomFactsReader,
    private readonly marks: RoomMarks,
    private readonly windows: RoomWindows,
    private readonly events: SyncEvents,
  ) {}

  /**
   * @param all the account's rooms
   * @param isListed whether a room has a place in lists
   * @param to a position that is committed
   */
  async find(
    request: SlidingRequest, all: ReadonlyMap<string, RoomMembership>, isListed: (room: RoomMembership) => boolean, to: number,
  ): Promise<WantedRooms> {
    const listed = request.lists.size === 0 ? [] : [...all.values()].filter(isListed);
    const joined = [...listed, ...[...request.subscriptions.keys()].flatMap((roomId) => all.get(roomId) ?? [])].filter(isJoined);
    const latest = await this.activity.latest(joined.map((room) => room.roomNid));
    const activity = (room: RoomMembership): number => (isJoined(room) ? (latest.get(room.roomNid) ?? room.pos) : room.pos);
    const byActivity = (a: RoomMembership, b: RoomMembership): number => activity(b) - activity(a) || b.roomNid - a.roomNid;
    listed.sort(byActivity);
    const counts = new Map<string, number>();
    const wanted = new Map<RoomMembership, { configs: RoomConfig[]; lists: string[]; isSubscribed: boolean }>();
    const want = (room: RoomMembership, config: RoomConfig): { lists: string[]; isSubscribed: boolean } => {
      const entry = wanted.get(room) ?? { configs: [], lists: [], isSubscribed: false };
      if (!entry.configs.includes(config)) entry.configs.push(config);
      wanted.set(room, entry);
      return entry;
    };
    for (const [name, list] of request.lists) {
      const rooms = await this.#filtered(request.requester.userId, listed, list.filters, all, to);
      counts.set(name, rooms.length);
      for (const room of inRanges(rooms, list)) want(room, list.config).lists.push(name);
    }
    for (const [roomId, config] of request.subscriptions) {
      const room = all.get(roomId);
      if (room) want(room, config).isSubscribed = true;
    }
    const combined = new CombinedConfigs([...[...request.lists.values()].map((list) => list.config), ...request.subscriptions.values()]);
    const rooms = [...wanted].map(([room, { configs, lists, isSubscribed }]) => ({ room, config: combined.of(configs), lists, isSubscribed }));
    return { rooms: rooms.sort((a, b) => byActivity(a.room, b.room)), counts };
  }

  async #filtered(
    userId: string, rooms: readonly RoomMembership[], filters: ListFilters, all: ReadonlyMap<string, RoomMembership>, to: number,
  ): Promise<readonly RoomMembership[]> {
    const { isDirect, isEncrypted, isInvited, spaces, types, notTypes, tags, notTags, nameLike } = filters;
    let left = rooms;
    if (isInvited !== undefined) left = left.filter((room) => (room.membership === 'invite') === isInvited);
    if (isDirect !== undefined) {
      const directs = await this.marks.directs(userId);
      left = left.filter(({ roomId }) => directs.has(roomId) === isDirect);
    }
    if (tags || notTags) {
      const marks = await this.marks.tags(userId);
      const has = (roomId: string, names: readonly string[]): boolean => names.some((name) => marks.get(roomId)?.has(name));
      left = left.filter(({ roomId }) => (!tags || has(roomId, tags)) && !(notTags && has(roomId, notTags)));
    }
    if (spaces) {
      const children = await this.#children(spaces.flatMap((roomId) => all.get(roomId) ?? []).filter(isJoined), to);
      left = left.filter(({ roomId }) => children.has(roomId));
    }
    if (isEncrypted === undefined && !types && !notTypes && nameLike === undefined) return left;
    const facts = await this.facts.of(userId, left);
    const name = nameLike?.toLowerCase();
    const passes = (fact: RoomFacts): boolean =>
      (isEncrypted === undefined || fact.isEncrypted === isEncrypted) && (!types || types.has(fact.type)) && !notTypes?.has(fact.type)
      && (name === undefined || fact.name.toLowerCase().includes(name));
    return left.filter(({ roomNid }) => passes(facts.get(roomNid)!));
  }

  /** Ids of the rooms that the spaces have as children. */
  async #children(spaces: readonly RoomMembership[], to: number): Promise<ReadonlySet<string>> {
    const at = spaces.map(({ roomNid }) => ({ roomNid, pos: to }));
    await this.windows.refresh(at.map(({ roomNid }) => roomNid), to);
    const states = [...(await this.windows.state(at)).values()];
    const entries = states.flatMap((state) => [...state].filter(([key]) => key.startsWith(CHILD_PREFIX)));
    const events = await this.events.load(entries.map(([, nid]) => nid));
    // Without servers to join it by, a room is no child any more (Client-Server, "Spaces").
    return new Set(entries.flatMap(([key, nid]) => (Array.isArray(events.get(nid)?.content['via']) ? [key.slice(CHILD_PREFIX.length)] : [])));
  }
}

function isJoined({ membership }: RoomMembership): boolean {
  return membership === 'join';
}

function inRanges(rooms: readonly RoomMembership[], { ranges }: SlidingList): readonly RoomMembership[] {
  if (ranges === null) return rooms;
  return [...new Set(ranges.flatMap(([first, last]) => rooms.slice(first, last + 1)))];
}
