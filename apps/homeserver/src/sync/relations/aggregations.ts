import { Injectable } from '@nestjs/common';
import { type EventContext, writeEvent } from '../engine/event-writer.js';
import type { SyncEvent } from '../rooms/sync-event.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { type Related, RelationsStore, type WantedParent } from './relations.store.js';
import { MAX_STRETCHES, type Sight } from './sight.js';

/** Bytes of the edits and replies that an answer holds beside its events; events beyond have nothing beside them. */
const MAX_BYTES = 4 * 1024 * 1024;
const EVERYTHING: Sight = [[-Infinity, Infinity]];

/** Events of a room that are about to be shown to somebody. */
export interface ShownEvents {
  readonly roomId: string;
  readonly roomNid: number;
  readonly events: readonly SyncEvent[];
  /** What of the room he may see; asked only where something relates to one of the events. */
  readonly sight: () => Sight | Promise<Sight>;
}

interface Parent {
  readonly event: SyncEvent;
  readonly room: ShownEvents;
}

/**
 * What is told beside events of those that relate to them (Client-Server, "Aggregations of child events"): edits, threads and
 * references. Of what relates, the reader gets what it may see, and nothing of senders that it ignores.
 */
@Injectable()
export class Aggregations {
  constructor(
    private readonly store: RelationsStore,
    private readonly events: SyncEvents,
  ) {}

  /**
   * The text of `m.relations` for those of the events to which others relate, by numeric id. Two questions, and two more where a
   * thread's newest event was edited, whatever the number of events and rooms; none where nothing relates to any.
   *
   * @param context how the events are written
   * @param ignored senders whose events are left out
   */
  async of(context: EventContext, ignored: ReadonlySet<string>, rooms: readonly ShownEvents[]): Promise<ReadonlyMap<number, string>> {
    const parents = rooms.flatMap((room) => room.events.filter(mayGather).map((event): Parent => ({ event, room })));
    if (parents.length === 0) return new Map();
    const related = await this.#related(context.userId, ignored, parents);
    const events = await this.events.load(nidsOf(related.values()));
    const latest = parents.flatMap(({ event, room }): Parent[] => {
      const reply = events.get(related.get(event.nid)?.thread?.latest ?? -1);
      return reply && mayGather(reply) ? [{ event: reply, room }] : [];
    });
    const below = latest.length === 0 ? new Map<number, Related>() : await this.#related(context.userId, ignored, latest);
    const edits = below.size === 0 ? new Map<number, SyncEvent>() : await this.events.load(nidsOf(below.values()));
    const writer = new Writer({ ...context, fields: null }, ignored, related, below, new Map([...events, ...edits]));
    return new Map(parents.flatMap(({ event, room }) => {
      const text = writer.write(event, room.roomId);
      return text === undefined ? [] : [[event.nid, text] as const];
    }));
  }

  async #related(userId: string, ignored: ReadonlySet<string>, parents: readonly Parent[]): Promise<Map<number, Related>> {
    const sights = new Map<ShownEvents, Promise<Sight> | Sight>();
    for (const { room } of parents) if (!sights.has(room)) sights.set(room, room.sight());
    const seen = new Map(await Promise.all([...sights].map(async ([room, sight]) => [room, (await sight) ?? EVERYTHING] as const)));
    const wanted = parents.map(({ event: { eventId, sender, type }, room }): WantedParent =>
      ({ roomNid: room.roomNid, eventId, sender, type, seen: seen.get(room)!.slice(-MAX_STRETCHES) }));
    const found = await this.store.related(wanted, userId, [...ignored].filter((sender) => sender !== userId));
    return new Map([...found].map(([i, related]) => [parents[i]!.event.nid, related]));
  }
}

/** Edits and annotations have nothing beside them, nor has state. */
function mayGather(event: SyncEvent): boolean {
  if (!event.isParent || event.stateKey !== null) return false;
  return event.relType !== 'm.replace' && event.relType !== 'm.annotation';
}

function nidsOf(related: Iterable<Related>): number[] {
  return [...related].flatMap(({ thread, edit }) => [thread?.latest, edit]).filter((nid) => nid !== undefined);
}

/** Writes what was found, up to a number of bytes. */
class Writer {
  #bytes = 0;

  constructor(
    private readonly context: EventContext,
    private readonly ignored: ReadonlySet<string>,
    private readonly related: ReadonlyMap<number, Related>,
    private readonly below: ReadonlyMap<number, Related>,
    private readonly events: ReadonlyMap<number, SyncEvent>,
  ) {}

  write(event: SyncEvent, roomId: string): string | undefined {
    const found = this.related.get(event.nid);
    if (!found) return undefined;
    const parts = this.#parts(event, found, roomId);
    // A thread begins at an event that relates to none.
    const latest = event.relType === undefined ? this.events.get(found.thread?.latest ?? -1) : undefined;
    if (latest && this.#hasPlace(latest)) {
      const own = this.below.get(latest.nid);
      const relations = own && joined(this.#parts(latest, own, roomId));
      const hasPart = found.thread!.participated || event.sender === this.context.userId;
      parts.push(`"m.thread":{"latest_event":${writeEvent(latest, roomId, this.context, { relations })},"count":${found.thread!.count},"current_user_participated":${hasPart}}`);
    }
    return joined(parts);
  }

  /** What an event may have beside it wherever it stands. */
  #parts(event: SyncEvent, { edit, references }: Related, roomId: string): string[] {
    const parts: string[] = [];
    if (references.length > 0) parts.push(`"m.reference":{"chunk":${JSON.stringify(references.map((eventId) => ({ event_id: eventId })))}}`);
    // An ignored sender's event is shown where it begins a thread, and without its text.
    const hasText = event.redactedBy === null && !this.ignored.has(event.sender);
    const replacement = hasText ? this.events.get(edit ?? -1) : undefined;
    if (replacement && this.#hasPlace(replacement)) parts.push(`"m.replace":${writeEvent(replacement, roomId, this.context)}`);
    return parts;
  }

  #hasPlace({ json, redactedBy }: SyncEvent): boolean {
    if (redactedBy !== null || this.#bytes + json.length > MAX_BYTES) return false;
    this.#bytes += json.length;
    return true;
  }
}

function joined(parts: readonly string[]): string | undefined {
  return parts.length === 0 ? undefined : `{${parts.join(',')}}`;
}
