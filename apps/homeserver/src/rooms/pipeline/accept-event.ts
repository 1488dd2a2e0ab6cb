import { Injectable } from '@nestjs/common';
import { AuthError, checkAuth, checkAuthEvents, stateKeyOf, type RoomEvent, type StateReader } from '#federation';
import { StreamPositions } from '../../storage/stream-positions.js';
import { NameDoor } from '../remote/name-door.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { membershipOf, serversOfMember, type StateEntry } from '../state/room-state.js';
import type { Snapshot } from '../state/snapshot.js';
import { splitStateKey } from '../state/state-key.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { RoomRegistry } from '../room-registry.js';
import { applyRedactions, isVoidRedaction } from './apply-redactions.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';

/** An event that stands anywhere in the graph: received, or made here on a state that may be old by now. */
export interface GraphEvent {
  readonly event: RoomEvent;
  readonly isOwn: boolean;
  readonly destinations?: readonly string[];
  /** The state before the event by event nid, where its prev_events are not all known (from `/state_ids`). */
  readonly before?: ReadonlyMap<string, number>;
  readonly txn?: string | null;
  readonly deviceId?: string | null;
  readonly clientTxn?: string | null;
  /** Stored events that are at hand already, by id: what else is needed is read. */
  readonly related?: ReadonlyMap<string, StoredEvent>;
}

/** What became of it. `known` means that it was stored before. */
export interface Acceptance {
  readonly status: EventStatus | 'known';
  readonly added: NewEvent | null;
  /** Why it was rejected or soft-failed. */
  readonly reason: string | null;
}

/**
 * The checks on receipt of a PDU from the third on (Server-Server, "Checks performed on receipt of a PDU"): judged by its auth
 * events, by the state before it, and by the current state; then it becomes an extremity and the current state is
 * resolved again.
 */
@Injectable()
export class AcceptEvent {
  constructor(
    private readonly events: EventsStore,
    private readonly registry: RoomRegistry,
    private readonly resolver: StateResolver,
    private readonly signatures: HomeSignatures,
    private readonly positions: StreamPositions,
    private readonly door: NameDoor,
  ) {}

  /** A numeric id for an event that is about to be stored. */
  newNid(): number {
    return this.positions.nextId('event_nid');
  }

  /** Runs inside the room's queue. */
  async accept(draft: RoomDraft, item: GraphEvent): Promise<Acceptance> {
    const { event } = item;
    const { room } = draft;
    if (draft.find(event.eventId)) return { status: 'known', added: null, reason: null };
    const related = await this.#related(draft, item);
    const existing = related.get(event.eventId);
    if (existing && existing.status !== EventStatus.outlier) return { status: 'known', added: null, reason: null };
    const held = new Map(draft.events.map((added) => [added.nid, added.event]));

    const before = item.before ? draft.snapshotOf(item.before) : await this.#stateBefore(draft, event, held, related);
    const verdict = await this.#judge(draft, item, before, held, related);

    let status: EventStatus = verdict ? verdict.status : EventStatus.accepted;
    let reason = verdict?.reason ?? null;
    if (status === EventStatus.accepted && (await isVoidRedaction(draft, event, this.events))) {
      status = EventStatus.softFailed;
      reason = 'the redaction is not allowed';
    }
    if (status === EventStatus.accepted && room.rules.portable) {
      reason = this.door.objection(draft, event);
      if (reason !== null) status = EventStatus.softFailed;
    }
    let txn = item.txn ?? null;
    if (room.rules.portable && typeof event.pdu.txn === 'string') {
      // Protocol §3 rule 6: of two events with one (sender, txn) the second to arrive is soft-failed.
      txn = event.pdu.txn;
      if (await this.#isTaken(draft, event, txn)) {
        txn = null;
        if (status === EventStatus.accepted) {
          status = EventStatus.softFailed;
          reason = 'its transaction is here already';
        }
      }
    }
    if (status === EventStatus.rejected) txn = null;
    const added = draft.add({
      event, status, before, txn,
      nid: existing?.nid ?? this.positions.nextId('event_nid'),
      isOwn: item.isOwn,
      wasOutlier: existing !== undefined,
      destinations: item.destinations ?? [],
      deviceId: item.deviceId ?? null,
      clientTxn: item.clientTxn ?? null,
    });
    this.#noteMissing(draft, added, related);
    if (status !== EventStatus.accepted) draft.afters.set(event.eventId, status === EventStatus.rejected ? before : draft.after(before, event, added.nid));
    if (status === EventStatus.accepted) {
      await this.#advance(draft, added, before, held);
      await applyRedactions(draft, added, this.events);
      await this.#welcome(draft, added);
    }
    return { status, added, reason };
  }

  /**
   * A server has come into the room with an event that does not follow this server's latest ones: these were sent without
   * it, and whoever let it in may not have known them either. It would miss them until somebody's next event.
   */
  async #welcome(draft: RoomDraft, { event, nid }: NewEvent): Promise<void> {
    const { room, extremities } = draft;
    const { type, state_key: userId } = event.pdu;
    if (extremities.length < 2 || type !== 'm.room.member' || userId === undefined) return;
    const member = draft.entry(type, userId);
    if (member?.nid !== nid || membershipOf(event) !== 'join') return;
    const servers = serversOfMember(event, room.rules).filter((server) => server !== room.state.serverName && !room.state.hasServer(server));
    if (servers.length === 0) return;
    const others = extremities.filter((extremity) => extremity.nid !== nid);
    const held = draft.events.filter((item) => others.some((extremity) => extremity.nid === item.nid));
    const stored = await this.events.byNids(others.filter((extremity) => !held.some((item) => item.nid === extremity.nid)).map((extremity) => extremity.nid));
    for (const item of [...held, ...stored]) if (item.isOwn) draft.resent.push({ item, destinations: servers });
  }

  async #related(draft: RoomDraft, { event, related }: GraphEvent): Promise<ReadonlyMap<string, StoredEvent>> {
    const ids = [...event.pdu.prev_events, ...event.pdu.auth_events, ...(related ? [] : [event.eventId])];
    const missing = ids.filter((id) => !related?.has(id) && !draft.find(id));
    if (missing.length === 0) return related ?? new Map();
    const read = (await this.events.byIds(missing)).map((stored) => [stored.event.eventId, stored] as const);
    return new Map([...(related ?? []), ...read]);
  }

  /** The state before the event: the resolution of the states after its prev_events. */
  async #stateBefore(
    draft: RoomDraft, event: RoomEvent, held: ReadonlyMap<number, RoomEvent>, related: ReadonlyMap<string, StoredEvent>,
  ): Promise<Snapshot> {
    const prev = new Set(event.pdu.prev_events);
    if (prev.size === draft.extremities.length && draft.extremities.every((e) => prev.has(e.eventId))) return draft.snapshot;
    const states: Snapshot[] = [];
    for (const id of prev) {
      const extremity = draft.extremities.find((e) => e.eventId === id);
      const inDraft = draft.afters.get(id);
      const stored = related.get(id);
      if (extremity) states.push(extremity.after);
      else if (inDraft) states.push(inDraft);
      else if (stored && stored.status !== EventStatus.outlier) states.push(await this.registry.stateAfter(stored));
    }
    if (states.length > 0 && states.every((state) => state.nid === draft.snapshot.nid)) return draft.snapshot;
    return draft.snapshotOf(await this.resolver.resolve(draft.room, states, held));
  }

  async #judge(
    draft: RoomDraft, item: GraphEvent, before: Snapshot, held: ReadonlyMap<number, RoomEvent>,
    related: ReadonlyMap<string, StoredEvent>,
  ): Promise<{ status: EventStatus; reason: string } | null> {
    const { event } = item;
    const { rules } = draft.room;
    const context = this.signatures.context(rules);
    const create = draft.get('m.room.create', '');
    if (event.pdu.type === 'm.room.create' && create && create.eventId !== event.eventId) {
      // The auth rules allow the server in the room's id another one, from which a second history of the room would follow.
      return { status: EventStatus.rejected, reason: 'the room has a create event' };
    }
    const authEvents: RoomEvent[] = [];
    for (const id of event.pdu.auth_events) {
      const stored = related.get(id);
      const known = draft.find(id)?.event ?? stored?.event;
      if (!known) return { status: EventStatus.rejected, reason: 'an auth event is missing' };
      if (stored?.status === EventStatus.rejected || draft.find(id)?.status === EventStatus.rejected) {
        return { status: EventStatus.rejected, reason: 'an auth event was rejected' };
      }
      authEvents.push(known);
    }
    try {
      checkAuthEvents(event, authEvents, create, rules, context);
      if (before !== draft.snapshot) checkAuth(event, await this.#reader(draft, before, held), rules, context);
    } catch (error) {
      if (error instanceof AuthError) return { status: EventStatus.rejected, reason: `${error.rule}: ${error.message}` };
      throw error;
    }
    try {
      checkAuth(event, draft, rules, context);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      const status = before === draft.snapshot ? EventStatus.rejected : EventStatus.softFailed;
      return { status, reason: `${error.rule}: ${error.message}` };
    }
    return null;
  }

  /** Reads a state for the auth rules: all its events are loaded at once. */
  async #reader(draft: RoomDraft, snapshot: Snapshot, held: ReadonlyMap<number, RoomEvent>): Promise<StateReader> {
    const entries = await this.resolver.entries(draft.room, snapshot.toMap().values(), held);
    return {
      get: (type, stateKey) => {
        const nid = snapshot.get(stateKeyOf(type, stateKey));
        return nid === undefined ? undefined : entries.get(nid)?.event;
      },
    };
  }

  async #isTaken(draft: RoomDraft, event: RoomEvent, txn: string): Promise<boolean> {
    const { sender } = event.pdu;
    if (draft.events.some((other) => other.event.pdu.sender === sender && other.event.pdu.txn === txn)) return true;
    const twins = await this.events.byTxn(draft.room.id, sender, [txn]);
    return twins.some((twin) => twin.event.eventId !== event.eventId);
  }

  #noteMissing(draft: RoomDraft, added: NewEvent, related: ReadonlyMap<string, StoredEvent>): void {
    draft.found.push(added.event.eventId);
    for (const id of added.event.pdu.prev_events) {
      const isInGraph = [related.get(id), draft.find(id)].some((prev) => prev && prev.status !== EventStatus.outlier);
      if (!isInGraph) draft.missing.push({ eventId: id, child: added });
    }
  }

  /** The event becomes an extremity; the current state follows from all extremities. */
  async #advance(draft: RoomDraft, added: NewEvent, before: Snapshot, held: ReadonlyMap<number, RoomEvent>): Promise<void> {
    const { event, nid } = added;
    const followsAll = before === draft.snapshot && draft.extremities.every((e) => event.pdu.prev_events.includes(e.eventId));
    const after = draft.after(before, event, nid);
    draft.afters.set(event.eventId, after);
    const rest = draft.extremities.filter((e) => !event.pdu.prev_events.includes(e.eventId));
    draft.extremities = [...rest, { nid, eventId: event.eventId, depth: event.pdu.depth, after }];
    if (followsAll) {
      if (event.pdu.state_key !== undefined) draft.change(event.pdu.type, event.pdu.state_key, { nid, event }, added);
      draft.snapshot = after;
      return;
    }
    // Messages that were sent at the same time: all branches have the current state.
    if (draft.extremities.every((e) => e.after === draft.snapshot || (e.after.isStored && e.after.nid === draft.snapshot.nid))) return;
    const state = await this.resolver.resolve(draft.room, draft.extremities.map((e) => e.after), new Map([...held, [nid, event]]));
    const changes = draft.snapshot.changesTo(state);
    if (changes.size === 0) return;
    const entries = await this.resolver.entries(draft.room, [...changes.values()].filter((n) => n !== null), new Map([...held, [nid, event]]));
    for (const [key, changedNid] of changes) {
      const [type, stateKey] = splitStateKey(key);
      const entry: StateEntry | null = changedNid === null ? null : (entries.get(changedNid) ?? null);
      draft.change(type, stateKey, entry, added);
    }
    draft.snapshot = draft.extend(draft.snapshot, changes);
  }
}
