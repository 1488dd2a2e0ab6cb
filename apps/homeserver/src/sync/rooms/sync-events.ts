import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Bus } from '../../bus/bus.js';
import { SyncEvent } from './sync-event.js';
import { SyncEventsStore } from './sync-events.store.js';

/** Bytes of cached events. */
const MAX_BYTES = 64 * 1024 * 1024;

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
  /** Redactions seen: what was read before one must not be cached after it. */
  #redactions = 0;

  constructor(
    private readonly store: SyncEventsStore,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind === 'room') this.forget(message.redacted);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  cached(nid: number): SyncEvent | undefined {
    return this.#cache.get(nid);
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
    if (missing.length === 0) return events;
    const redactions = this.#redactions;
    const fresh = (await this.store.byNids(missing)).map((row) => new SyncEvent(row));
    await this.#addRedactions(fresh);
    for (const event of fresh) {
      events.set(event.nid, event);
      if (redactions !== this.#redactions) continue;
      this.#cache.set(event.nid, event);
      this.#nids.set(event.eventId, event.nid);
    }
    return events;
  }

  /** Drops events that were redacted. */
  forget(eventIds: readonly string[]): void {
    if (eventIds.length === 0) return;
    this.#redactions++;
    for (const eventId of eventIds) {
      const nid = this.#nids.get(eventId);
      if (nid !== undefined) this.#cache.delete(nid);
    }
  }

  /**
   * Fills in `followsGap`. At most one query; none for events that were asked about before. An event with a higher number
   * than one that follows it was fetched later: `/sync` ends there as before, and paging shows it.
   */
  async lookForGaps(events: readonly SyncEvent[]): Promise<void> {
    const unknown = events.filter((event) => event.followsGap === undefined);
    if (unknown.length === 0) return;
    const near = new Map(events.map((event) => [event.eventId, event.nid]));
    const prevs = new Set<string>();
    for (const event of unknown) for (const id of event.prevEvents) if (!near.has(id)) prevs.add(id);
    const held = prevs.size > 0 ? await this.store.held([...prevs]) : new Map<string, number>();
    for (const event of unknown) event.followsGap = event.prevEvents.some((id) => (near.get(id) ?? held.get(id) ?? Infinity) > event.nid);
  }

  async #addRedactions(events: readonly SyncEvent[]): Promise<void> {
    const redacted = events.filter((event) => event.redactedBy !== null);
    if (redacted.length === 0) return;
    const rows = await this.store.byIds([...new Set(redacted.map((event) => event.redactedBy!))]);
    const texts = new Map(rows.map((row) => [row.event_id, `${new SyncEvent(row).open}}`]));
    for (const event of redacted) event.redactedBecause = texts.get(event.redactedBy!) ?? null;
  }
}
