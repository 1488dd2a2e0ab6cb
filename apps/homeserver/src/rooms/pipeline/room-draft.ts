import { canonicalJson, KNOWN_RECORD_TYPE, redactPdu, roomEventFromJson, stateKeyOf, wirePdu, type RoomEvent, type StateReader } from '#federation';
import type { MembershipChange } from '../../bus/bus.js';
import { endOf, type Extremity, type RoomView } from '../room-view.js';
import { relationOf } from '../relations/relation-of.js';
import { membershipOf, readable, type StateChange } from '../state/room-state.js';
import type { StateEntry } from '../state/state-entry.js';
import { splitStateKey } from '../state/state-key.js';
import type { NewSnapshot, Snapshot } from '../state/snapshot.js';
import { strippedState } from '../state/stripped-state.js';
import { EventStatus } from '../timeline/stored-event.js';
import { destinationsOf } from './destinations-of.js';
import type { AppliedRedaction, LocalMembership, MissingEvent, NewEvent, ResentEvent, RoomCommit, StateStep } from './room-commit.js';

/** What is known of an event beyond itself when it is added. */
export interface AddedEvent {
  readonly event: RoomEvent;
  readonly nid: number;
  readonly status: EventStatus;
  /** State before the event; a snapshot that is stored or made by this draft. */
  readonly before: Snapshot;
  readonly isOwn?: boolean;
  readonly txn?: string | null;
  readonly deviceId?: string | null;
  readonly clientTxn?: string | null;
  readonly wasOutlier?: boolean;
  readonly destinations?: readonly string[];
}

/**
 * A room as it will be after the next commit: the current one with changes laid over it. Jobs work on copies, so that one
 * that fails leaves nothing behind.
 */
export class RoomDraft implements StateReader {
  events: NewEvent[] = [];
  resent: ResentEvent[] = [];
  snapshots: NewSnapshot[] = [];
  /** The same, as states. */
  made: Snapshot[] = [];
  /** Every change of the current state in order, one per state and event. */
  steps: StateStep[] = [];
  /** The last change of each state key. */
  changes = new Map<string, StateChange>();
  redactions: AppliedRedaction[] = [];
  /** Redacted forms of events of the current state. */
  redactedState: StateEntry[] = [];
  pendingRedactions: { targetId: string; eventId: string }[] = [];
  missing: MissingEvent[] = [];
  found: string[] = [];
  /** Local memberships that do not follow from the current state (invitations to rooms held elsewhere). */
  localMemberships: LocalMembership[] = [];
  created: { version: string } | null = null;
  /** States after this draft's events. */
  afters = new Map<string, Snapshot>();

  constructor(
    readonly room: RoomView,
    public snapshot: Snapshot,
    public extremities: readonly Extremity[],
    private readonly nextSnapshotNid: () => number,
  ) {}

  clone(): RoomDraft {
    const copy = new RoomDraft(this.room, this.snapshot, this.extremities, this.nextSnapshotNid);
    copy.events = [...this.events];
    copy.resent = [...this.resent];
    copy.snapshots = [...this.snapshots];
    copy.made = [...this.made];
    copy.steps = [...this.steps];
    copy.changes = new Map(this.changes);
    copy.redactions = [...this.redactions];
    copy.redactedState = [...this.redactedState];
    copy.pendingRedactions = [...this.pendingRedactions];
    copy.missing = [...this.missing];
    copy.found = [...this.found];
    copy.localMemberships = [...this.localMemberships];
    copy.created = this.created;
    copy.afters = new Map(this.afters);
    return copy;
  }

  get isEmpty(): boolean {
    return this.events.length + this.changes.size + this.redactions.length + this.missing.length + this.localMemberships.length === 0 && !this.created;
  }

  get(type: string, stateKey: string): RoomEvent | undefined {
    return readable(this.entry(type, stateKey));
  }

  /** All events of the state, or what is kept of them, in portable rooms those of which it knows records as well. */
  *stateEvents(): Generator<RoomEvent> {
    for (const [, { event }] of this.#entries()) yield event;
  }

  *#entries(): Generator<[string, StateEntry]> {
    const { state } = this.room;
    for (const entries of [state.entries(), state.knownEntries()]) for (const [key, entry] of entries) if (!this.changes.has(key)) yield [key, entry];
    for (const [key, { entry }] of this.changes) if (entry) yield [key, entry];
  }

  entry(type: string, stateKey: string): StateEntry | undefined {
    const change = this.changes.get(stateKeyOf(type, stateKey));
    return change ? (change.entry ?? undefined) : this.room.state.entry(type, stateKey);
  }

  /** An event of this draft or of the current state. */
  find(eventId: string): NewEvent | undefined {
    return this.events.find((item) => item.event.eventId === eventId);
  }

  /** A state that this draft has made or started from, by its id. */
  beforeOf(stateNid: number | null): Snapshot | undefined {
    if (stateNid === null) return undefined;
    return [this.room.snapshot, this.snapshot, ...this.afters.values(), ...this.made].find((snapshot) => snapshot.nid === stateNid);
  }

  /** The state with changes, as a snapshot that the commit stores. */
  extend(snapshot: Snapshot, changes: ReadonlyMap<string, number | null>): Snapshot {
    if (changes.size === 0) return snapshot;
    const made = snapshot.extend(changes, this.nextSnapshotNid());
    this.snapshots.push(made.row);
    this.made.push(made.snapshot);
    return made.snapshot;
  }

  /** A state given as a map, as a snapshot near to the current one. */
  snapshotOf(state: ReadonlyMap<string, number>): Snapshot {
    return this.extend(this.snapshot, this.snapshot.changesTo(state));
  }

  /** The same event with another signature. */
  replaceText(item: NewEvent, event: RoomEvent): void {
    Object.assign(item, { event });
    for (const { entry } of this.changes.values()) if (entry?.nid === item.nid) Object.assign(entry, { event });
  }

  /** Adds an event whose state before is known. Does not touch extremities or the current state. */
  add(item: AddedEvent): NewEvent {
    const added: NewEvent = {
      nid: item.nid,
      event: item.event,
      status: item.status,
      inTimeline: item.status === EventStatus.accepted,
      stateNid: item.before.nid,
      isOwn: item.isOwn ?? false,
      txn: item.txn ?? null,
      deviceId: item.deviceId ?? null,
      clientTxn: item.clientTxn ?? null,
      wasOutlier: item.wasOutlier ?? false,
      destinations: item.destinations ?? [],
      pos: null,
    };
    this.events.push(added);
    return added;
  }

  /**
   * Adds an event of the past whose state before is known: it changes nothing of the present.
   *
   * @param historyPos its place in the timeline, which must be free; null for one that is not shown
   */
  addHistory(item: AddedEvent, historyPos: number | null): NewEvent {
    const added: NewEvent = {
      nid: item.nid, event: item.event, status: item.status, inTimeline: false, ...(historyPos !== null ? { historyPos } : {}),
      stateNid: item.before.nid, isOwn: false, txn: item.txn ?? null, deviceId: null, clientTxn: null,
      wasOutlier: item.wasOutlier ?? false, destinations: [], pos: null,
    };
    this.events.push(added);
    return added;
  }

  /** Adds an event that is only known as a part of somebody's state or auth chain. */
  addOutlier(event: RoomEvent, nid: number, status: EventStatus = EventStatus.outlier): void {
    this.events.push({
      nid, event, status, inTimeline: false, stateNid: null, isOwn: false, txn: null, deviceId: null, clientTxn: null,
      wasOutlier: false, destinations: [], pos: null,
    });
  }

  /**
   * Makes a state the current one, whatever it was before; `at` is the event at which syncs see the change, and `replaced` what that
   * one replaced in the state before it, which was not here.
   */
  replaceState(state: ReadonlyMap<string, StateEntry>, snapshot: Snapshot, at: NewEvent, replaced: StateEntry | null): void {
    for (const [key, entry] of state) this.change(...splitStateKey(key), entry, at, entry.nid === at.nid ? replaced : null);
    for (const [key] of [...this.#entries()]) if (!state.has(key)) this.change(...splitStateKey(key), null, at);
    this.snapshot = snapshot;
  }

  /** The state after an accepted event. */
  after(before: Snapshot, event: RoomEvent, nid: number): Snapshot {
    return this.extend(before, before.changesBy(event, nid, this.room.rules));
  }

  /** Adds an accepted event upon the extremities that it names, whose state before is the current one: that after it becomes it. */
  append(item: Omit<AddedEvent, 'before' | 'status'>): NewEvent {
    const added = this.add({ ...item, status: EventStatus.accepted, before: this.snapshot });
    this.follow(added, this.snapshot);
    this.afters.set(item.event.eventId, this.snapshot);
    const named = new Set(item.event.pdu.prev_events);
    this.extremities = [...this.extremities.filter((end) => !named.has(end.eventId)), endOf(item.nid, item.event, this.snapshot, this.room.rules)];
    return added;
  }

  /** The state after an event that follows all others becomes the current one. */
  follow(added: NewEvent, before: Snapshot): void {
    const { event, nid } = added;
    for (const [key, changed] of before.changesBy(event, nid, this.room.rules)) {
      this.change(...splitStateKey(key), changed === null ? null : { nid, event }, added);
    }
    this.snapshot = this.afters.get(event.eventId) ?? this.after(before, event, nid);
  }

  /** Records a change of the current state, which an event in the timeline brought; `elsewhere` is what it was for others. */
  change(type: string, stateKey: string, entry: StateEntry | null, at: NewEvent, elsewhere: StateEntry | null = null): void {
    const previous = this.entry(type, stateKey) ?? elsewhere;
    if (previous?.nid === entry?.nid) return;
    const change = { type, stateKey, entry, previous };
    this.steps.push({ ...change, at });
    this.changes.set(stateKeyOf(type, stateKey), change);
  }

  /**
   * Servers that an event of this server goes to: those of the joined members, as of this draft; and for a
   * member event the subject's servers before and after it. An invitation reaches its subject by itself (`/invite`).
   */
  destinations(event: RoomEvent): readonly string[] {
    return destinationsOf(event, this.room.state, this.changes, this.room.rules);
  }

  /** Applies a redaction to an event that is stored or in this draft. */
  redact(target: RoomEvent, redaction: RoomEvent): void {
    const redactedJson = canonicalJson(redactPdu(wirePdu(target, this.room.rules), this.room.rules));
    this.redactions.push({ targetId: target.eventId, redactedJson, redactionId: redaction.eventId, parentId: relationOf(target.pdu)?.parentId ?? null });
    const { type, state_key: stateKey } = target.pdu;
    const current = stateKey === undefined ? undefined : this.entry(type, stateKey);
    if (current?.event.eventId === target.eventId) {
      this.redactedState.push({ nid: current.nid, event: roomEventFromJson(redactedJson, target.eventId, this.room.id) });
    }
  }

  /** What is to be written. */
  toCommit(): RoomCommit {
    const { localMemberships, membershipChanges } = this.#memberships();
    const users = membershipChanges.some((change) => change.isLocal) || this.localMemberships.length > 0
      ? [...new Set([...this.room.state.localJoined, ...localMemberships.map((item) => item.userId)])]
      : this.#isOfThePast ? [] : this.room.state.localJoined;
    return {
      roomNid: this.room.nid,
      roomId: this.room.id,
      created: this.created,
      events: this.events,
      resent: this.resent,
      snapshots: this.snapshots,
      stateNid: this.snapshot.nid,
      // What the state knows of records is in snapshots only.
      stateChanges: this.steps.filter(({ type }) => !this.room.rules.portable || type !== KNOWN_RECORD_TYPE),
      extremities: this.extremities.map((extremity) => extremity.nid),
      localMemberships,
      membershipChanges,
      redactions: this.redactions,
      pendingRedactions: this.pendingRedactions,
      missing: this.missing,
      found: this.found,
      users,
    };
  }

  /** True when nothing is new to anybody: history and outliers only. */
  get #isOfThePast(): boolean {
    return this.changes.size === 0 && !this.events.some((event) => event.inTimeline);
  }

  #memberships(): { localMemberships: LocalMembership[]; membershipChanges: MembershipChange[] } {
    const localMemberships: LocalMembership[] = [...this.localMemberships];
    const membershipChanges: MembershipChange[] = localMemberships.map((item) => ({
      userId: item.userId, membership: item.membership, previous: null, isLocal: true,
    }));
    for (const { type, stateKey, entry, previous } of this.steps) {
      if (type !== 'm.room.member') continue;
      const isLocal = this.room.isLocal(stateKey);
      membershipChanges.push({
        userId: stateKey,
        membership: (membershipOf(entry?.event) ?? 'leave') as MembershipChange['membership'],
        previous: (membershipOf(previous?.event) ?? null) as MembershipChange['previous'],
        isLocal,
      });
    }
    for (const { type, stateKey, entry, previous } of this.changes.values()) {
      const source = entry ?? previous;
      if (type !== 'm.room.member' || !source || !this.room.isLocal(stateKey)) continue;
      const membership = (membershipOf(entry?.event) ?? 'leave') as MembershipChange['membership'];
      const shown = membership === 'invite' || membership === 'knock' ? strippedState(this, source.event) : null;
      localMemberships.push({ userId: stateKey, membership, eventNid: source.nid, sender: source.event.pdu.sender, strippedState: shown });
    }
    return { localMemberships, membershipChanges };
  }
}
