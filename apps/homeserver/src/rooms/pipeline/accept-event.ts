import { Injectable } from '@nestjs/common';
import { AuthError, checkAuth, checkAuthEvents, UnsignedError, type RoomEvent } from '#federation';
import { StreamPositions } from '../../storage/stream-positions.js';
import { PolicyServers } from '../policy/policy-servers.js';
import { NameDoor } from '../remote/name-door.js';
import { HomeSignatures } from '../state/home-signatures.js';
import { membershipOf, serversOfMember } from '../state/room-state.js';
import type { Snapshot } from '../state/snapshot.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import { RoomRegistry } from '../room-registry.js';
import { BesideCurrent } from './beside-current.js';
import { CurrentState } from './current-state.js';
import { DroppedEvent } from './dropped-event.js';
import { LastWords } from './last-words.js';
import { noteMissing } from './note-missing.js';
import { Redactions } from './redactions.js';
import type { NewEvent } from './room-commit.js';
import type { RoomDraft } from './room-draft.js';
import { RoomEnds } from './room-ends.js';
import { Twins } from './twins.js';

/** An event that stands anywhere in the graph: received, or made here on a state that may be old by now. */
export interface GraphEvent {
  readonly event: RoomEvent;
  readonly isOwn: boolean;
  /** The server that brought it, or of which it was fetched; absent for events made here. */
  readonly from?: string;
  readonly destinations?: readonly string[];
  /** The state before the event by event nid, where its prev_events are not all known (from `/state_ids`). */
  readonly before?: ReadonlyMap<string, number>;
  readonly txn?: string | null;
  readonly deviceId?: string | null;
  readonly clientTxn?: string | null;
  /** Stored events that are at hand already, by id: what else is needed is read. */
  readonly related?: ReadonlyMap<string, StoredEvent>;
}

/** What became of it. */
export interface Acceptance {
  /** `known`: it was stored before, and is now as `held` says. */
  readonly status: EventStatus | 'known';
  readonly held: EventStatus;
  readonly added: NewEvent | null;
  /** Why it was rejected or soft-failed. */
  readonly reason: string | null;
  /** The event that is shown in place of a soft-failed one: it has the same once-only key. */
  readonly twin: string | null;
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
    private readonly currentState: CurrentState,
    private readonly lastWords: LastWords,
    private readonly beside: BesideCurrent,
    private readonly twins: Twins,
    private readonly redactions: Redactions,
    private readonly ends: RoomEnds,
    private readonly positions: StreamPositions,
    private readonly door: NameDoor,
    private readonly policies: PolicyServers,
  ) {
    registry.graftBy((draft, item) => this.accept(draft, item));
  }

  /** A numeric id for an event that is about to be stored. */
  newNid(): number {
    return this.positions.nextId('event_nid');
  }

  /**
   * Runs inside the room's queue.
   *
   * @throws DroppedEvent when nothing may be kept of this copy; MatrixError 429 `M_LIMIT_EXCEEDED` when the room has too many ends for one
   *   more of that server, to be sent again
   */
  async accept(draft: RoomDraft, item: GraphEvent): Promise<Acceptance> {
    const { event } = item;
    const { room } = draft;
    const related = await this.#related(draft, item);
    const existing = related.get(event.eventId);
    const inDraft = draft.find(event.eventId);
    const held = new Map(draft.events.map((added) => [added.nid, added.event]));
    const known = (inDraft ?? existing)?.status ?? EventStatus.outlier;
    if (known === EventStatus.outlier || (known === EventStatus.softFailed && room.rules.portable)) await this.ends.assertRoom(draft, event, related);
    if (inDraft || (existing && existing.status !== EventStatus.outlier)) return this.#again(draft, item, inDraft ?? existing!, held);

    const before = await this.#stateBefore(draft, item, held, related);
    const verdict = await this.#judge(draft, item, before, held, related);

    let status: EventStatus = verdict ? verdict.status : EventStatus.accepted;
    let reason = verdict?.reason ?? null;
    if (status === EventStatus.accepted && (await this.redactions.isVoid(draft, event, before))) {
      status = EventStatus.softFailed;
      reason = 'the redaction is not allowed';
    }
    if (status === EventStatus.accepted && room.rules.portable) {
      reason = this.door.objection(draft, event);
      if (reason !== null) status = EventStatus.softFailed;
    }
    if (status === EventStatus.accepted && !item.isOwn) {
      reason = this.policies.objection(draft, event);
      if (reason !== null) status = EventStatus.softFailed;
    }
    // Protocol §3 rule 6: of two events with one (sender, txn) the second to arrive is soft-failed.
    const twin = status === EventStatus.rejected ? null : await this.twins.of(draft, event);
    if (twin !== null && status === EventStatus.accepted) {
      status = EventStatus.softFailed;
      reason = 'its transaction is here already';
    }
    if (status === EventStatus.accepted) await this.lastWords.vouch(draft, event.pdu.prev_events, related);
    // What is not shown keeps no other event with its key from being shown.
    const txn = status === EventStatus.accepted ? (item.txn ?? this.twins.keyOf(draft, event)) : null;
    const added = draft.add({
      event, status, before, txn,
      nid: existing?.nid ?? this.positions.nextId('event_nid'),
      isOwn: item.isOwn,
      wasOutlier: existing !== undefined,
      destinations: item.destinations ?? [],
      deviceId: item.deviceId ?? null,
      clientTxn: item.clientTxn ?? null,
    });
    noteMissing(draft, added, related);
    if (status !== EventStatus.accepted) draft.afters.set(event.eventId, status === EventStatus.rejected ? before : draft.after(before, event, added.nid));
    if (status === EventStatus.accepted) {
      await this.currentState.advance(draft, added, before, held, related);
      await this.redactions.apply(draft, added, before);
      await this.#welcome(draft, added);
    }
    return { status, held: status, added, reason, twin };
  }

  /** It is here already. What was not shown is judged again: the room may want it now, or another server vouch for it. */
  async #again(draft: RoomDraft, item: GraphEvent, known: NewEvent | StoredEvent, held: ReadonlyMap<number, RoomEvent>): Promise<Acceptance> {
    const { event } = item;
    let { status } = known;
    let reason: string | null = null;
    if (status === EventStatus.softFailed && draft.room.rules.portable) {
      reason = await this.#objection(draft, item, known.stateNid, held);
      if (reason === null) await this.lastWords.show(draft, known);
      status = draft.find(event.eventId)?.status ?? status;
    }
    const twin = status === EventStatus.softFailed ? await this.twins.of(draft, event) : null;
    return { status: 'known', held: status, added: null, reason, twin };
  }

  /** Why an event of a portable room that its past allows is not shown now; null when it can be. */
  async #objection(draft: RoomDraft, { event, from }: GraphEvent, stateNid: number | null, held: ReadonlyMap<number, RoomEvent>): Promise<string | null> {
    const before = draft.beforeOf(stateNid) ?? (await this.registry.stateOf(stateNid));
    const reason = this.lastWords.holdsBack(draft, event, from) ?? (await this.beside.refusal(draft, event, before, held, from));
    if (reason !== null) return reason;
    if (await this.redactions.isVoid(draft, event, before)) return 'the redaction is not allowed';
    return this.door.objection(draft, event) ?? this.policies.objection(draft, event);
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
    const read = (await this.events.byIds(draft.room.id, missing)).map((stored) => [stored.event.eventId, stored] as const);
    return new Map([...(related ?? []), ...read]);
  }

  /**
   * The state before the event: the resolution of the states after its prev_events. What somebody told stands for those of them that
   * are not here, and for no others: by naming one that nobody has he could else undo whatever he leaves out.
   */
  async #stateBefore(
    draft: RoomDraft, { event, before: told }: GraphEvent, held: ReadonlyMap<number, RoomEvent>, related: ReadonlyMap<string, StoredEvent>,
  ): Promise<Snapshot> {
    const prev = new Set(event.pdu.prev_events);
    if (!told && prev.size === draft.extremities.length && draft.extremities.every((e) => prev.has(e.eventId))) return draft.snapshot;
    const states: Snapshot[] = told ? [draft.snapshotOf(await this.resolver.counting(draft.room, told, held))] : [];
    for (const id of prev) {
      const extremity = draft.extremities.find((e) => e.eventId === id);
      const inDraft = draft.afters.get(id);
      const stored = related.get(id);
      if (extremity) states.push(extremity.after);
      else if (inDraft) states.push(inDraft);
      else if (stored && stored.status !== EventStatus.outlier) states.push(await this.registry.stateAfter(stored, draft.room.rules));
    }
    if (told && states.length === 1) return states[0]!;
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
      if (!known) throw new DroppedEvent('an auth event is missing');
      if (stored?.status === EventStatus.rejected || draft.find(id)?.status === EventStatus.rejected) {
        return { status: EventStatus.rejected, reason: 'an auth event was rejected' };
      }
      authEvents.push(known);
    }
    try {
      checkAuthEvents(event, authEvents, create, rules, context);
      checkAuth(event, before === draft.snapshot ? draft : await this.resolver.reader(draft.room, before.toMap(), held), rules, context);
    } catch (error) {
      if (error instanceof UnsignedError) throw new DroppedEvent(error.message);
      if (error instanceof AuthError) return { status: EventStatus.rejected, reason: `${error.rule}: ${error.message}` };
      throw error;
    }
    if (before === draft.snapshot) return null;
    const reason = this.lastWords.holdsBack(draft, event, item.from) ?? (await this.beside.refusal(draft, event, before, held, item.from));
    return reason === null ? null : { status: EventStatus.softFailed, reason };
  }
}
