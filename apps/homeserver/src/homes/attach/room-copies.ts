import { Injectable } from '@nestjs/common';
import { mayFollow, recordOf, type HomeRecord, type RoomEvent } from '#federation';
import { Receipts } from '../../ephemeral/receipts.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { isAllowedByAcl } from '../../rooms/remote/server-acl.js';
import { Newcomers } from '../../rooms/history/newcomers.js';
import { walkBack } from '../../rooms/history/walk-back.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import type { Room } from '../../rooms/room.js';
import { membershipOf } from '../../rooms/state/room-state.js';
import { splitStateKey } from '../../rooms/state/state-key.js';
import { WholeState } from '../../rooms/state/whole-state.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { EventStatus } from '../../rooms/timeline/stored-event.js';
import { HomeRecords } from '../records/home-records.js';
import { NameWitnesses } from '../records/name-witnesses.js';
import { stateHash } from './state-hash.js';

/** Events on the way from the ends to those of another replica: enough to see that they belong together. */
const MAX_SINCE = 50;

export interface CopyRequest {
  readonly origin: string;
  readonly roomId: string;
  readonly userId: string;
  /** The account's highest record, where this server may not know it: an emergency home's is newer than the room's. */
  readonly record?: unknown;
  /** Only the newest events: for who compares replicas, or has the room and may have missed some while it came. */
  readonly endsOnly: boolean;
  /** Asks for the account's member events with attestations, too. */
  readonly admissions?: boolean;
  /** Events that are asked for: which of them this server shows. */
  readonly seen?: readonly string[] | undefined;
  /** Events of others: what leads to them is given with the newest events, as far as it is near. */
  readonly since?: readonly string[] | undefined;
  /** State events that the other server has: they and what they rest upon are left out. */
  readonly known?: readonly string[] | undefined;
}

/** Hands copies of rooms to new homes of their members (protocol §3, "Adding a home"). */
@Injectable()
export class RoomCopies {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly records: HomeRecords,
    private readonly events: EventsStore,
    private readonly newcomers: Newcomers,
    private readonly receipts: Receipts,
    private readonly witnesses: NameWitnesses,
    private readonly whole: WholeState,
  ) {}

  /**
   * @returns JSON text: `room_version`, `ends` (the forward extremities: `event_id`, `depth`, and where it is not the current state
   *   the state after the event, by the event ids that it has `with` and `without` those of the current one), `pdus` (the same as events, after
   *   them what leads to `since`), `admissions` (the account's member events with attestations, where asked for), `servers`, `state_sha256`, `read` (the account's public receipts, by thread), `seen`, and unless `endsOnly` the current state as `state_ids`, with
   *   the events of it (`state`) and of its `auth_chain` that are not `known`
   * @throws MatrixError 403 `M_FORBIDDEN` unless the origin is a home, by the highest record, of a joined member; 404 `M_NOT_FOUND`
   */
  async copy(request: CopyRequest): Promise<string> {
    const { origin, roomId, userId } = request;
    if (request.record !== undefined) await this.#take(origin, userId, request.record);
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) throw MatrixError.notFound('This server does not hold the room');
    this.#authorise(room, origin, userId, await this.records.get(userId), await this.records.isHome(userId, origin));
    this.newcomers.add(roomId, origin, userId);
    const read = await this.receipts.readBy(room.nid, userId);
    const member = room.state.get('m.room.member', userId);
    const admissions = member && request.admissions ? await this.witnesses.admissions(userId, member) : [];
    // All of one moment: nothing is awaited between.
    const branches = branchesOf(room);
    const entries = [...room.state.entries(), ...room.state.knownEntries()].map(([, entry]) => entry);
    const endIds = branches.map((branch) => branch.eventId);
    const stateIds = entries.map(({ event }) => event.eventId);
    const beside = new Map((await this.events.byNids([...new Set(branches.flatMap((branch) => branch.with))])).map(({ nid, event }) => [nid, event]));
    const head = {
      room_version: room.rules.id,
      ends: branches.map((branch) => ({
        event_id: branch.eventId, depth: branch.depth,
        ...(branch.with.length + branch.without.length > 0 && { with: branch.with.map((nid) => beside.get(nid)?.eventId), without: branch.without }),
      })),
      servers: [room.state.serverName, ...room.state.otherServers],
      state_sha256: stateHash(stateIds),
      read,
      ...(request.seen && { seen: await this.#shown(request.seen, roomId) }),
      ...(!request.endsOnly && { state_ids: stateIds }),
    };
    const newest = request.since
      ? await walkBack(this.events, { roomId, from: endIds, limit: endIds.length + MAX_SINCE, without: new Set(request.since) })
      : await this.events.byIds(roomId, endIds);
    const members = [`"pdus":${list(newest.map((stored) => stored.event))}`, ...(request.admissions ? [`"admissions":${list(admissions)}`] : [])];
    if (!request.endsOnly) {
      const known = new Set(request.known);
      const state = await this.whole.of(entries);
      const all = [...state, ...beside.values()];
      const chain = await this.events.authChain(roomId, all, new Map(all.map((event) => [event.eventId, event])));
      for (const event of beside.values()) chain.set(event.eventId, event);
      for (const event of state) chain.delete(event.eventId);
      members.push(`"state":${list(state.filter((event) => !known.has(event.eventId)))}`);
      const rest = [...chain.values()].map((item) => ('nid' in item ? item.event : item));
      members.push(`"auth_chain":${list(await this.#without(roomId, rest, known))}`);
    }
    return `${JSON.stringify(head).slice(0, -1)},${members.join(',')}}`;
  }

  /** Those that are in the room's timeline here. */
  async #shown(eventIds: readonly string[], roomId: string): Promise<string[]> {
    const stored = await this.events.byIds(roomId, eventIds);
    return stored.filter((item) => item.status === EventStatus.accepted).map((item) => item.event.eventId);
  }

  /** Of a chain of auth events what is not in those of known ones: who has an event has what it rests upon. */
  async #without(roomId: string, chain: readonly RoomEvent[], known: ReadonlySet<string>): Promise<readonly RoomEvent[]> {
    if (known.size === 0) return chain;
    const held = (await this.events.byIds(roomId, [...known])).map((stored) => stored.event);
    const rest = await this.events.authChain(roomId, held, new Map(chain.map((event) => [event.eventId, event])));
    return chain.filter((event) => !rest.has(event.eventId));
  }

  async #take(origin: string, userId: string, value: unknown): Promise<void> {
    if ((value as { user_id?: unknown } | null)?.user_id !== userId) throw MatrixError.badJson('The record is of another account');
    await this.records.accept(value, origin);
  }

  #authorise(room: Room, origin: string, userId: string, record: HomeRecord | undefined, isHome: boolean): void {
    if (!room.rules.portable) throw MatrixError.forbidden('Only portable rooms can be attached to');
    if (!isAllowedByAcl(room.state, origin)) throw MatrixError.forbidden(`${origin} is not allowed in this room`);
    const member = room.state.get('m.room.member', userId);
    if (membershipOf(member) !== 'join') throw MatrixError.forbidden('The account is not in this room');
    // The record must continue the one that the room knows: a name alone says nothing about who bears it now.
    if (!isHome || !record || !mayFollow(recordOf(member), record)) throw MatrixError.forbidden(`${origin} is no home of the account`);
  }
}

/** The states after the forward extremities, as changes to the current one: event nids that they have, event ids that they have not. */
function branchesOf(room: Room): { eventId: string; depth: number; with: number[]; without: string[] }[] {
  return room.extremities.map(({ eventId, depth, after }) => {
    const branch: { eventId: string; depth: number; with: number[]; without: string[] } = { eventId, depth, with: [], without: [] };
    if (after === room.snapshot || (after.isStored && after.nid === room.snapshot.nid)) return branch;
    for (const [key, nid] of room.snapshot.changesTo(after.toMap())) {
      if (nid !== null) branch.with.push(nid);
      const current = room.state.entry(...splitStateKey(key));
      if (current) branch.without.push(current.event.eventId);
    }
    return branch;
  });
}

function list(events: readonly { json: string }[]): string {
  return `[${events.map((event) => event.json).join(',')}]`;
}
