import { Injectable } from '@nestjs/common';
import { relationOf, type Relating } from '../../rooms/relations/relation-of.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { MAIN_THREAD } from '../unread/unread-tally.js';
import { RelationsStore } from './relations.store.js';

/** How many events are passed on the way to one that is in a thread (the specification wants 3 at least). */
const MAX_STEPS = 3;

/** An event of which it is looked for the thread, and the event that is to say it. */
interface Search {
  readonly event: SyncEvent;
  parentId: string;
}

/** Finds the threads of events that are in one by what they relate to (Client-Server, "Threaded read receipts"): a reaction to a reply. */
@Injectable()
export class EventThreads {
  /** By numeric event id: a message wakes all its readers at once. */
  readonly #running = new Map<number, Promise<void>>();

  constructor(
    private readonly events: SyncEvents,
    private readonly store: RelationsStore,
  ) {}

  /** Fills in `thread` where an event does not say it itself. A question for each step; none where the events on the way are in memory. */
  async resolve(events: Iterable<SyncEvent>): Promise<void> {
    const unknown = [...events].filter((event) => event.thread === undefined);
    if (unknown.length === 0) return;
    const others = unknown.flatMap(({ nid }) => this.#running.get(nid) ?? []);
    const own = unknown.filter(({ nid }) => !this.#running.has(nid));
    const finding = this.#find(own).finally(() => {
      for (const { nid } of own) this.#running.delete(nid);
    });
    for (const { nid } of own) this.#running.set(nid, finding);
    await Promise.all([finding, ...others]);
    // Who was found by another request may be another copy of the event.
    for (const event of unknown) event.thread ??= this.events.cached(event.nid)?.thread ?? MAIN_THREAD;
  }

  async #find(events: readonly SyncEvent[]): Promise<void> {
    let open = events.map((event): Search => ({ event, parentId: event.relation!.parentId }));
    for (let step = 0; step < MAX_STEPS && open.length > 0; step++) {
      const parents = await this.#parents(open);
      open = open.filter((search) => {
        const parent = parents.get(search);
        const relation = parent && relationOf(parent);
        if (relation && relation.relType !== 'm.thread') {
          search.parentId = relation.parentId;
          return true;
        }
        search.event.thread = relation?.parentId ?? MAIN_THREAD;
        return false;
      });
    }
    for (const { event } of open) event.thread = MAIN_THREAD;
  }

  async #parents(open: readonly Search[]): Promise<Map<Search, Relating>> {
    const found = new Map<Search, Relating>();
    for (const search of open) {
      const parent = this.events.cachedById(search.parentId);
      if (parent?.roomNid === search.event.roomNid) found.set(search, parent);
    }
    const missing = open.filter((search) => !found.has(search));
    if (missing.length === 0) return found;
    const read = await this.store.relating(missing.map(({ event, parentId }) => ({ roomNid: event.roomNid, eventId: parentId })));
    for (const search of missing) {
      const parent = read.get(`${search.event.roomNid} ${search.parentId}`);
      if (parent) found.set(search, parent);
    }
    return found;
  }
}
