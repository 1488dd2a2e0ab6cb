import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import type { Room } from '../room.js';
import { membershipOf, serversOfMember } from '../state/room-state.js';
import { StandingServers } from '../state/standing-servers.js';
import { type StateValues, StateValuesStore } from '../state/state-values.store.js';
import { EventsStore } from '../timeline/events.store.js';
import type { StoredEvent } from '../timeline/stored-event.js';
import { Newcomers } from './newcomers.js';
import { isOpen, visibilityOf } from './visibility-of.js';

/** Members of a server whose pasts are looked at. More cannot make it see less than it may, only than it might. */
const MAX_WITNESSES = 500;
const VISIBILITY = 'm.room.history_visibility';
const MEMBER = 'm.room.member';

/**
 * How a server gets an event: whole; redacted, because it may not see what is in it but needs it for the graph; or not at all.
 */
export type Showing = 'whole' | 'redacted' | 'none';

/**
 * What a server may see of a room's past (Client-Server, "Room history visibility"; a server sees what one of its users
 * may see). One that has left sees what happened while it was there.
 */
@Injectable()
export class ServerVisibility {
  constructor(
    private readonly values: StateValuesStore,
    private readonly events: EventsStore,
    private readonly standing: StandingServers,
    private readonly newcomers: Newcomers,
  ) {}

  /** Whether the server may ask about the room's past at all. */
  async isOrWasIn(room: Room, server: string): Promise<boolean> {
    return (await this.#isIn(room, server)) || (await this.#witnesses(room, server, 1)).length > 0;
  }

  async #isIn(room: Room, server: string): Promise<boolean> {
    return (await this.standing.isIn(room, server)) || this.newcomers.has(room.id, server);
  }

  /**
   * Users of the server who are or were members, oldest first; empty for a server that never was in the room. A home that somebody
   * has dropped is none of his, for what happened before either.
   */
  async #witnesses(room: Room, server: string, limit: number): Promise<string[]> {
    const found = [...room.state.entries()].map(([, entry]) => entry)
      .filter(({ event }) => event.pdu.type === MEMBER && serversOfMember(event, room.rules).includes(server))
      .sort((a, b) => a.nid - b.nid);
    const users: string[] = [];
    for (const { event } of found) {
      if (users.length === limit) break;
      if (await this.standing.actsFor(room, event, server)) users.push(event.pdu.state_key ?? '');
    }
    return users;
  }

  /** Three queries at most, whatever the number of events; records that are not at hand take more. */
  async of(room: Room, server: string, stored: readonly StoredEvent[]): Promise<Map<string, Showing>> {
    const isIn = await this.#isIn(room, server);
    const wanted = statesOf(stored).map((stateNid) => ({ stateNid, type: VISIBILITY, stateKey: '' }));
    const visibilities = await this.values.load(wanted);
    const events = await this.#events(visibilities);
    const visibilityAt = (item: StoredEvent) => visibilityOf(events.get(visibilities.get(item.stateNid, VISIBILITY, '') ?? -1));
    const isOpenTo = (item: StoredEvent) => isOpen(visibilityAt(item)) || (item.type === VISIBILITY && isOpen(visibilityOf(item.event)));
    const closed = stored.filter((item) => !isIn || (item.stateNid !== null && !isOpenTo(item)));
    const seen = await this.#witnessed(room, server, closed, (item) => isIn && visibilityAt(item) === 'invited');
    const hidden: Showing = isIn ? 'redacted' : 'none';
    const isClosed = new Set(closed);
    return new Map(stored.map((item) => [item.event.eventId, !isClosed.has(item) || seen.has(item) ? 'whole' : hidden]));
  }

  /** The events at which somebody of the server was joined, or where that is enough, invited. */
  async #witnessed(room: Room, server: string, stored: readonly StoredEvent[], isForInvited: (item: StoredEvent) => boolean): Promise<Set<StoredEvent>> {
    if (stored.length === 0) return new Set();
    const users = await this.#witnesses(room, server, MAX_WITNESSES);
    const values = await this.values.load(
      statesOf(stored).flatMap((stateNid) => users.map((stateKey) => ({ stateNid, type: MEMBER, stateKey }))),
    );
    const members = await this.#events(values);
    const isWitness = (member: RoomEvent | undefined, item: StoredEvent): boolean => {
      if (!member || !serversOfMember(member, room.rules).includes(server)) return false;
      const membership = membershipOf(member);
      return membership === 'join' || (membership === 'invite' && isForInvited(item));
    };
    const seen = new Set(stored.filter((item) => users.some((userId) => isWitness(members.get(values.get(item.stateNid, MEMBER, userId) ?? -1), item))));
    for (const item of stored) {
      if (item.type === MEMBER && isWitness(item.event, item) && (await this.standing.actsFor(room, item.event, server))) seen.add(item);
    }
    return seen;
  }

  async #events(values: StateValues): Promise<Map<number, RoomEvent>> {
    return new Map((await this.events.byNids([...new Set(values.nids)])).map((stored) => [stored.nid, stored.event]));
  }
}

function statesOf(stored: readonly StoredEvent[]): number[] {
  return [...new Set(stored.flatMap((item) => item.stateNid ?? []))];
}
