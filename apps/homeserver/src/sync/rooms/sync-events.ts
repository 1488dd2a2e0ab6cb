import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Bus } from '../../bus/bus.js';
import { SyncEvent } from './sync-event.js';
import { SyncEventsStore, type HeldPlace } from './sync-events.store.js';

/** Bytes of cached events. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Of so few events nobody asks how large they are: each counts as if it had the largest size. */
const FEW = 100;
const MAX_EVENT_BYTES = 64 * 1024;

/** Events by their numeric ids, from memory where they were used lately, with one query for all others. */
@Injectable()
export class SyncEvents implements OnModuleDestroy {
  readonly #cache = new LRUCache<number, SyncEvent>({
    maxSize: MAX_BYTES,
    sizeCalculation: (event) => event.size,
    dispose: (event) => this.#nids.delete(event.eventId),
  });
  /** Event id → nid of cached events, to drop what is redacted. */
  readonly #nids = new Map<string, number>();
  readonly #unsubscribe: () => void;
  /** Reads under way, by the ids that they are for. */
  readonly #loading = new Map<number, Promise<readonly SyncEvent[]>>();
  /** Redactions seen: what was read before one must not be cached after it. */
  #redactions = 0;
  /** Of each read under way: the events to which others related meanwhile. */
  readonly #related = new Set<Set<string>>();

  constructor(
    private readonly store: SyncEventsStore,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      this.forget(message.redacted);
      this.#relate(message.related);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  cached(nid: number): SyncEvent | undefined {
    return this.#cache.get(nid);
  }

  /** One of any room. */
  cachedById(eventId: string): SyncEvent | undefined {
    return this.#cache.peek(this.#nids.get(eventId) ?? -1);
  }

  /** All events of these ids that exist. At most one query, and one more where redacted events are among them. */
  async load(nids: Iterable<number>): Promise<Map<number, SyncEvent>> {
    const events = new Map<number, SyncEvent>();
    const missing: number[] = [];
    for (const nid of new Set(nids)) {
      const event = this.#cache.get(nid);
      if (event) events.set(nid, event);
      else missing.push(nid);
    }
    // A message wakes all its readers at once: the first one reads it for all.
    const shared = new Set(missing.flatMap((nid) => this.#loading.get(nid) ?? []));
    const unread = missing.filter((nid) => !this.#loading.has(nid));
    if (unread.length > 0) shared.add(this.#readShared(unread));
    const wanted = new Set(missing);
    for (const batch of await Promise.all(shared)) for (const event of batch) if (wanted.has(event.nid)) events.set(event.nid, event);
    return events;
  }

  /** Bytes of these events' JSON, without reading them. One query at most; none for a few. */
  async sizes(nids: readonly number[]): Promise<(nid: number) => number> {
    const missing = nids.filter((nid) => !this.#cache.has(nid));
    const read = missing.length <= FEW ? new Map<number, number>() : await this.store.sizes(missing);
    return (nid) => this.#cache.peek(nid)?.json.length ?? read.get(nid) ?? MAX_EVENT_BYTES;
  }

  #readShared(nids: readonly number[]): Promise<readonly SyncEvent[]> {
    const batch = this.#read(nids).finally(() => {
      for (const nid of nids) if (this.#loading.get(nid) === batch) this.#loading.delete(nid);
    });
    for (const nid of nids) this.#loading.set(nid, batch);
    return batch;
  }

  async #read(nids: readonly number[]): Promise<readonly SyncEvent[]> {
    const redactions = this.#redactions;
    const fresh = await this.#readRows(nids);
    if (redactions !== this.#redactions) return fresh;
    for (const event of fresh) {
      this.#cache.set(event.nid, event);
      this.#nids.set(event.eventId, event.nid);
    }
    return fresh;
  }

  async #readRows(nids: readonly number[]): Promise<SyncEvent[]> {
    const related = new Set<string>();
    this.#related.add(related);
    try {
      const fresh = (await this.store.byNids(nids)).map((row) => new SyncEvent(row));
      await this.#addRedactions(fresh);
      for (const event of fresh) if (related.has(event.eventId)) event.isParent = true;
      return fresh;
    } finally {
      this.#related.delete(related);
    }
  }

  #relate(eventIds: readonly string[]): void {
    for (const eventId of eventIds) {
      const event = this.cachedById(eventId);
      if (event) event.isParent = true;
      for (const related of this.#related) related.add(eventId);
    }
  }

  /** Drops events that were redacted. */
  forget(eventIds: readonly string[]): void {
    if (eventIds.length === 0) return;
    this.#redactions++;
    // Whoever asks from now on must not get what was read before.
    this.#loading.clear();
    for (const eventId of eventIds) {
      const nid = this.#nids.get(eventId);
      if (nid !== undefined) this.#cache.delete(nid);
    }
  }

  /**
   * Fills in `gapPos`. At most two queries; none for events that were asked about before. An event with a higher number than one
   * that follows it was fetched later: `/sync` ends there as before, and paging shows it.
   *
   * @param roomNids the rooms that they are in
   */
  async lookForGaps(events: readonly SyncEvent[], roomNids: readonly number[]): Promise<void> {
    const unknown = events.filter((event) => event.gapPos === undefined);
    if (unknown.length === 0) return;
    const near = new Map(events.map((event) => [event.eventId, event.nid]));
    const isRightBefore = (id: string, event: SyncEvent) => (near.get(id) ?? Infinity) < event.nid;
    const prevs = new Set(unknown.flatMap((event) => event.prevEvents.filter((id) => !isRightBefore(id, event))));
    const held = prevs.size > 0 ? await this.store.held(roomNids, [...prevs]) : new Map<string, HeldPlace>();
    const missing = [...prevs].filter((id) => !held.has(id));
    const gaps = missing.length > 0 ? await this.store.gaps(roomNids, missing) : new Map<string, number>();
    for (const event of unknown) {
      const places = event.prevEvents.filter((id) => !isRightBefore(id, event)).map((id) => gapOf(event, held.get(id), gaps.get(id)));
      event.gapPos = Math.max(0, ...places);
    }
  }

  async #addRedactions(events: readonly SyncEvent[]): Promise<void> {
    const redacted = events.filter((event) => event.redactedBy !== null);
    if (redacted.length === 0) return;
    const rows = await this.store.byIds([...new Set(redacted.map((event) => event.redactedBy!))]);
    const texts = new Map(rows.map((row) => [row.event_id, `${new SyncEvent(row).open}}`]));
    for (const event of redacted) event.redactedBecause = texts.get(event.redactedBy!) ?? null;
  }
}

/** @returns up to where a timeline lacks what is right before the event; 0 where nothing is lacking */
function gapOf(event: SyncEvent, held: HeldPlace | undefined, childPos: number | undefined): number {
  if (!held) return childPos ?? Infinity;
  if (held.pos === null) return 0;
  // The past is what is before the first of a timeline.
  if (held.pos < 0) return 1;
  return held.nid < event.nid ? 0 : held.pos;
}
