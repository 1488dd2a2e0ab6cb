import { Injectable } from '@nestjs/common';
import { AuthError, checkAuth, checkAuthEvents, stateKeyOf, UnsignedError, type RoomEvent, type StateReader } from '#federation';
import { StreamPositions } from '../../storage/stream-positions.js';
import { Redactions } from '../pipeline/redactions.js';
import type { NewEvent } from '../pipeline/room-commit.js';
import type { RoomDraft } from '../pipeline/room-draft.js';
import { Outliers } from '../remote/outliers.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { HomeSignatures } from '../state/home-signatures.js';
import type { StateEntry } from '../state/state-entry.js';
import { Snapshot } from '../state/snapshot.js';
import { SnapshotsStore } from '../state/snapshots.store.js';
import { StateResolver } from '../state/state-resolver.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';
import type { FetchedHistory } from './history-fetcher.js';
import { type Gap, HistoryStore, onceOnlyKey } from './history.store.js';

export interface StoredHistory {
  /** Events that were not in the graph before. */
  readonly stored: number;
  /** Events that a redaction among them was applied to. */
  readonly redacted: readonly string[];
}

/** An event with what was found about it. */
interface Judged {
  readonly event: RoomEvent;
  readonly nid: number;
  readonly before: Snapshot;
  readonly isAllowed: boolean;
  readonly wasOutlier: boolean;
}

/** What a job works with: everything that the events refer to, read once. */
interface Work {
  readonly fetched: FetchedHistory;
  /** Stored events by event id. */
  readonly related: ReadonlyMap<string, StoredEvent>;
  /** Ids that events have here, in place of those that they got while they were fetched. */
  readonly aliases: ReadonlyMap<number, number>;
  /** Events that are about to be stored, by numeric id. */
  readonly held: Map<number, RoomEvent>;
  /** Copies of which nothing is kept, by event id, with the numeric id that they do not get: they lack a home's signature. */
  readonly unsigned: Map<string, number>;
  readonly done: Map<string, Judged>;
  readonly afters: Map<string, Snapshot>;
  /** State events that were read, and readers of states. */
  readonly entries: Map<number, StateEntry>;
  readonly readers: Map<Snapshot, StateReader>;
}

/**
 * Stores fetched history: judged by its auth events and by the state before it, as any received event, but not by the
 * current state, and without a say in it.
 */
@Injectable()
export class HistoryWriter {
  constructor(
    private readonly events: EventsStore,
    private readonly history: HistoryStore,
    private readonly outliers: Outliers,
    private readonly registry: RoomRegistry,
    private readonly snapshots: SnapshotsStore,
    private readonly resolver: StateResolver,
    private readonly signatures: HomeSignatures,
    private readonly positions: StreamPositions,
    private readonly redactions: Redactions,
  ) {}

  /** Must not run twice at once for a room: the places below the gap are read and then taken. */
  store(room: Room, gap: Gap, fetched: FetchedHistory): Promise<StoredHistory> {
    return room.run(async (draft) => {
      const { unsigned } = await this.outliers.add(draft, fetched.outliers);
      const work = await this.#work(draft, fetched, unsigned);
      for (const event of fetched.events) await this.#judge(draft, work, event);
      return this.#add(draft, gap, work);
    });
  }

  async #work(draft: RoomDraft, fetched: FetchedHistory, unsigned: ReadonlyMap<string, number>): Promise<Work> {
    const ids = fetched.events.flatMap(({ eventId, pdu }) => [eventId, ...pdu.prev_events, ...pdu.auth_events]);
    const stored = await this.events.byIds(draft.room.id, [...new Set([...ids, ...fetched.nids.keys()])]);
    const related = new Map(stored.map((item) => [item.event.eventId, item]));
    const aliases = new Map<number, number>();
    for (const [eventId, nid] of fetched.nids) {
      const held = related.get(eventId) ?? draft.find(eventId);
      if (held && held.nid !== nid) aliases.set(nid, held.nid);
    }
    const held = new Map(draft.events.map((added) => [added.nid, added.event]));
    return { fetched, related, aliases, held, unsigned: new Map(unsigned), done: new Map(), afters: new Map(), entries: new Map(), readers: new Map() };
  }

  async #judge(draft: RoomDraft, work: Work, event: RoomEvent): Promise<void> {
    const existing = work.related.get(event.eventId);
    // It arrived by another way meanwhile.
    if (draft.find(event.eventId) || (existing && existing.status !== EventStatus.outlier)) return;
    const nid = existing?.nid ?? work.fetched.nids.get(event.eventId) ?? this.positions.nextId('event_nid');
    const before = await this.#stateBefore(draft, work, event);
    const isAllowed = await this.#isAllowed(draft, work, event, before);
    if (isAllowed === undefined) {
      work.unsigned.set(event.eventId, nid);
      return;
    }
    work.held.set(nid, event);
    work.done.set(event.eventId, { event, nid, before, isAllowed, wasOutlier: existing !== undefined });
    work.afters.set(event.eventId, isAllowed ? draft.after(before, event, nid) : before);
  }

  async #stateBefore(draft: RoomDraft, work: Work, event: RoomEvent): Promise<Snapshot> {
    const { fetched, related, afters } = work;
    if (fetched.sharedState !== undefined) return this.snapshots.load(fetched.sharedState);
    const told = fetched.told.get(event.eventId);
    if (told) return toldSnapshot(draft, work, told);
    const { prev_events: prevEvents } = event.pdu;
    if (prevEvents.length === 0) return Snapshot.empty;
    const states: Snapshot[] = [];
    for (const id of new Set(prevEvents)) {
      const after = afters.get(id) ?? draft.afters.get(id);
      const stored = related.get(id);
      if (after) states.push(after);
      else if (stored && stored.status !== EventStatus.outlier) states.push(await this.registry.stateAfter(stored, draft.room.rules));
    }
    if (states.length === 1 && !Number.isNaN(states[0]!.nid)) return states[0]!;
    // More branches than states that are asked for: what was told of another branch is the nearest that there is.
    if (states.length === 0) return toldSnapshot(draft, work, fetched.told.values().next().value ?? new Map());
    return draft.snapshotOf(await this.resolver.resolve(draft.room, states, work.held));
  }

  /** Undefined when that cannot be said by this copy. */
  async #isAllowed(draft: RoomDraft, work: Work, event: RoomEvent, before: Snapshot): Promise<boolean | undefined> {
    const { rules } = draft.room;
    const authEvents: RoomEvent[] = [];
    const left = new Set(work.unsigned.values());
    const told = work.fetched.told.get(event.eventId);
    if (event.pdu.auth_events.some((id) => work.unsigned.has(id)) || [...(told?.values() ?? [])].some((nid) => left.has(nid))) return undefined;
    for (const id of event.pdu.auth_events) {
      const judged = work.done.get(id);
      const known = draft.find(id) ?? work.related.get(id);
      if (judged ? !judged.isAllowed : !known || known.status === EventStatus.rejected) return false;
      authEvents.push((judged ?? known!).event);
    }
    const context = this.signatures.context(rules);
    try {
      checkAuthEvents(event, authEvents, draft.get('m.room.create', ''), rules, context);
      checkAuth(event, await this.#reader(draft, work, before), rules, context);
      return true;
    } catch (error) {
      if (error instanceof UnsignedError) return undefined;
      if (error instanceof AuthError) return false;
      throw error;
    }
  }

  /** Reads a state for the auth rules. Of the next state only what differs is read, and that is among the fetched events. */
  async #reader(draft: RoomDraft, { entries, readers, held }: Work, before: Snapshot): Promise<StateReader> {
    let reader = readers.get(before);
    if (!reader) {
      const missing = [...before.toMap().values()].filter((nid) => !entries.has(nid));
      for (const [nid, entry] of await this.resolver.entries(draft.room, missing, held)) entries.set(nid, entry);
      reader = { get: (type, stateKey) => entries.get(before.get(stateKeyOf(type, stateKey)) ?? -1)?.event };
      readers.set(before, reader);
    }
    return reader;
  }

  async #add(draft: RoomDraft, gap: Gap, work: Work): Promise<StoredHistory> {
    const judged = [...work.done.values()];
    const taken = await this.#takenTxns(draft, judged);
    const isShown = (item: Judged): boolean => item.isAllowed && !taken.has(item);
    const below = await this.history.below(draft.room.nid, gap.childPos);
    const shown = judged.filter(isShown).length;
    // Below everything else there is no end of places, and those of what was before this server's time are negative.
    const places = below === null ? Infinity : gap.childPos - 1 - below;
    const top = below === null ? Math.min(gap.childPos, 0) : gap.childPos;
    let surplus = Math.max(0, shown - places);
    let pos = top - (shown - surplus);
    const redactions = draft.redactions.length;
    const stored: NewEvent[] = [];
    for (const item of judged) {
      const { event, nid, before, wasOutlier, isAllowed } = item;
      if (surplus > 0) {
        // What does not fit is left out from its old end. States of the others may name it.
        if (!wasOutlier) draft.addOutlier(event, nid, isAllowed ? EventStatus.outlier : EventStatus.rejected);
        if (isShown(item)) surplus--;
        continue;
      }
      const status = !isAllowed ? EventStatus.rejected : taken.has(item) ? EventStatus.softFailed : EventStatus.accepted;
      const added = draft.addHistory({ event, nid, before, wasOutlier, status, txn: isShown(item) ? txnOf(draft, event) : null }, isShown(item) ? pos++ : null);
      if (isShown(item)) await this.redactions.apply(draft, added, before);
      stored.push(added);
    }
    noteMissing(draft, gap, work, stored);
    return { stored: stored.length, redacted: draft.redactions.slice(redactions).map((redaction) => redaction.targetId) };
  }

  /** Protocol §3 rule 6: of two events with one (sender, txn) the second to arrive is soft-failed. */
  async #takenTxns(draft: RoomDraft, judged: readonly Judged[]): Promise<Set<Judged>> {
    const keyed = judged.flatMap((item) => {
      const txn = txnOf(draft, item.event);
      return item.isAllowed && txn !== null ? [{ item, sender: item.event.pdu.sender, txn }] : [];
    });
    const held = await this.history.takenTxns(draft.room.nid, keyed);
    for (const { event, txn } of draft.events) if (txn !== null) held.add(onceOnlyKey({ sender: event.pdu.sender, txn }));
    const taken = new Set<Judged>();
    for (const one of keyed) {
      if (held.has(onceOnlyKey(one))) taken.add(one.item);
      held.add(onceOnlyKey(one));
    }
    return taken;
  }
}

function toldSnapshot(draft: RoomDraft, { aliases }: Work, told: ReadonlyMap<string, number>): Snapshot {
  return draft.snapshotOf(new Map([...told].map(([key, nid]) => [key, aliases.get(nid) ?? nid])));
}

function txnOf(draft: RoomDraft, { pdu }: RoomEvent): string | null {
  return draft.room.rules.portable && typeof pdu.txn === 'string' ? pdu.txn : null;
}

/** The gap is now below the oldest of the stored events, also where other branches are missing that nobody had. */
function noteMissing(draft: RoomDraft, gap: Gap, { related }: Work, stored: readonly NewEvent[]): void {
  const child = stored.find((item) => item.historyPos !== undefined);
  const found = new Set(stored.map((item) => item.event.eventId));
  draft.found.push(...found);
  if (!child) return;
  const named = new Set([...gap.eventIds, ...stored.flatMap((item) => item.event.pdu.prev_events)]);
  for (const eventId of named) {
    const isInGraph = found.has(eventId) || [related.get(eventId), draft.find(eventId)].some((item) => item && item.status !== EventStatus.outlier);
    if (!isInGraph) draft.missing.push({ eventId, child });
  }
}
