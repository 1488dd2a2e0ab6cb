import { Injectable } from '@nestjs/common';
import type { RoomEvent } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { makerOf, type Extremity, type RoomView } from '../room-view.js';
import { EventsStore } from '../timeline/events.store.js';
import { EventStatus, type StoredEvent } from '../timeline/stored-event.js';

/** Forward extremities of a room: as many as one event can name, so that whatever is made here follows all of them. */
export const MAX_ENDS = 20;
/** From then on a server that has an end gets no other, and residents bind those that there are. */
export const CROWDED_ENDS = 10;
/** Events that were not accepted and are passed through on the way from an event to the ends that it leads to. */
const MAX_PASSED = 500;
const RETRY_MS = 5_000;
/** Servers that had to wait keep their turn for so long: who is told to come again comes within a minute. */
const TURN_MS = 90_000;
const MAX_WAITING = 1_000;
const MAX_ROOMS = 1_000;

/** A room, or one as it will be, and events that are not stored yet. */
export interface EndsView {
  readonly room: RoomView;
  readonly extremities: readonly Extremity[];
  readonly missing: readonly { readonly eventId: string; readonly child: { readonly status: EventStatus } }[];
  find(eventId: string): { event: RoomEvent; status: EventStatus } | undefined;
}

/**
 * Bounds the ends of a room's graph. Each has a state, and all states are resolved with each event that follows some of them only: anybody
 * in the room could make thousands by naming what is long past, and more than twenty could not be bound by one event.
 */
@Injectable()
export class RoomEnds {
  readonly #listeners: ((roomId: string) => void)[] = [];
  /** By room: servers for which there was none left, in that order, and until when (steady clock). */
  readonly #waiting = boundedCache<string, Map<string, number>>(MAX_ROOMS);

  constructor(
    private readonly events: EventsStore,
    private readonly clock: Clock,
  ) {}

  /** Is told of rooms whose ends should be bound: often, and of some that will not have that many after all. */
  onCrowded(listener: (roomId: string) => void): void {
    this.#listeners.push(listener);
  }

  note(draft: EndsView): void {
    if (draft.extremities.length >= CROWDED_ENDS) for (const listener of this.#listeners) listener(draft.room.id);
  }

  /**
   * Where an event would become one end more, as seen by the one before which it is to be judged.
   *
   * @param related stored events that are at hand, among them the predecessors
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED`: to be sent again when the ends have been bound
   */
  async assertRoom(draft: EndsView, event: RoomEvent, related?: ReadonlyMap<string, StoredEvent>): Promise<void> {
    const { extremities, room } = draft;
    const maker = makerOf(event, room.rules);
    if (extremities.length < CROWDED_ENDS || maker === room.state.serverName) return;
    const isFirst = !extremities.some((end) => end.server === maker);
    if (isFirst && this.#placeOf(draft, maker) < MAX_ENDS - extremities.length) return;
    const reached = await this.reachedBy(draft, event, related);
    if (extremities.some((end) => reached.has(end.eventId)) || (await this.isNamed(draft, event))) return;
    this.note(draft);
    if (isFirst) this.#wait(room.id, maker);
    throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'The room has too many ends that nobody has bound', { retry_after_ms: RETRY_MS });
  }

  /** Whether an accepted event came before this one, which it names: then this is no end, and what it changes is in the state of that. */
  async isNamed(draft: EndsView, { eventId }: RoomEvent): Promise<boolean> {
    if (draft.missing.some((item) => item.eventId === eventId && item.child.status === EventStatus.accepted)) return true;
    return this.events.isMissing(draft.room.id, eventId);
  }

  /** How many servers have their turn before this one: as many ends are kept for them, or a crowd would leave none to who is not quick. */
  #placeOf({ room, extremities }: EndsView, maker: string): number {
    const waiting = this.#waiting.get(room.id);
    if (!waiting) return 0;
    const now = this.clock.steady();
    for (const [server, until] of waiting) if (until <= now || extremities.some((end) => end.server === server)) waiting.delete(server);
    const place = [...waiting.keys()].indexOf(maker);
    return place === -1 ? waiting.size : place;
  }

  #wait(roomId: string, maker: string): void {
    const waiting = this.#waiting.get(roomId) ?? new Map<string, number>();
    this.#waiting.set(roomId, waiting);
    if (!waiting.has(maker) && waiting.size < MAX_WAITING) waiting.set(maker, this.clock.steady() + TURN_MS);
  }

  /**
   * What an event follows: what it names, and behind events of it that were not accepted what these name. An end before an event that was
   * soft-failed is none any more once something builds on that.
   */
  async reachedBy(draft: EndsView, event: RoomEvent, related?: ReadonlyMap<string, StoredEvent>): Promise<ReadonlySet<string>> {
    const reached = new Set(event.pdu.prev_events);
    let level = [...reached];
    for (let passed = 0; passed < MAX_PASSED; ) {
      const open = level.filter((id) => !draft.extremities.some((end) => end.eventId === id));
      if (open.length === 0 || draft.extremities.every((end) => reached.has(end.eventId))) break;
      const hidden = (await this.#known(draft, open, passed === 0 ? related : undefined)).filter(isHidden);
      passed += hidden.length;
      level = [...new Set(hidden.flatMap((item) => item.event.pdu.prev_events))].filter((id) => !reached.has(id));
      if (level.length === 0) break;
      for (const id of level) reached.add(id);
    }
    return reached;
  }

  async #known(draft: EndsView, ids: readonly string[], related?: ReadonlyMap<string, StoredEvent>): Promise<{ event: RoomEvent; status: EventStatus }[]> {
    const inDraft = ids.flatMap((id) => draft.find(id) ?? []);
    const rest = ids.filter((id) => !inDraft.some((item) => item.event.eventId === id));
    return [...inDraft, ...(related ? rest.flatMap((id) => related.get(id) ?? []) : await this.events.byIds(draft.room.id, rest))];
  }
}

function isHidden({ status }: { status: EventStatus }): boolean {
  return status === EventStatus.softFailed || status === EventStatus.rejected;
}
