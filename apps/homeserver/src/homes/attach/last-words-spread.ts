import { createHash } from 'node:crypto';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { recordOf, type RoomEvent } from '#federation';
import { Bus } from '../../bus/bus.js';
import { Config } from '../../config/config.js';
import { Log } from '../../observability/log.js';
import { walkBack } from '../../rooms/history/walk-back.js';
import { MemberChanges } from '../../rooms/membership/member-changes.js';
import { CROWDED_ENDS, RoomEnds } from '../../rooms/pipeline/room-ends.js';
import { RoomRegistry } from '../../rooms/room-registry.js';
import { RoomsStore } from '../../rooms/rooms.store.js';
import type { Room } from '../../rooms/room.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { EventStatus } from '../../rooms/timeline/stored-event.js';

/** A commit is told before the room shows it. */
const SETTLED_MS = 50;
/** After a start the others are heard first: one of them may have spoken meanwhile. */
const RESUMED_MS = 2_000;
/** Rooms with many ends get so long for somebody's event to bind them; and again each time. */
const CROWDED_MS = 1_000;
/** Of a room with more servers than these several take one turn. */
const MAX_TURNS = 600;
/** Rooms and members that wait for this server's turn; what is left out spreads with somebody's next event. */
const MAX_WAITING = 5_000;
/** Events on both sides of a drop that are looked at. */
const MAX_AFTER_DROP = 100;
const MAX_BEFORE_DROP = 200;
/** Residents that are tried. */
const MAX_SPEAKERS = 3;
/** What waits in a room for its ends to be bound; no user id. */
const CROWDED = 'crowded';

/**
 * A retired home's last words do not count by its own word (protocol §3, "Delivery"), and it may be dead. Who had taken such events
 * and learns of the drop builds on them, by a member event of a resident that says nothing else: with it they reach all others. So
 * does a server that is in a room again through others' events, and holds what happened when nobody was left who would tell these, and,
 * in rooms of any version, one in whose graph too many ends are loose.
 */
@Injectable()
export class LastWordsSpread implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #turns = new Map<string, NodeJS.Timeout>();
  readonly #working = new Set<Promise<void>>();
  #unsubscribe: (() => void) | undefined;
  #stopped = false;
  /** The first server speaks at once, each further one so much later, if nobody has by then. */
  turnMs = 500;

  constructor(
    private readonly config: Config,
    private readonly bus: Bus,
    private readonly registry: RoomRegistry,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly members: MemberChanges,
    private readonly ends: RoomEnds,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#unsubscribe = this.bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      const { roomId } = message;
      for (const { event, isOwn } of message.events) if (!isOwn) this.#noteDrop(SETTLED_MS, roomId, event);
      const isBack = message.membershipChanges.some((change) => change.isLocal && change.membership === 'join' && change.previous !== 'join');
      if (isBack && !message.events.some(({ isOwn }) => isOwn)) this.#after(SETTLED_MS, roomId, '', () => this.#speak(roomId, () => this.#severalEnds(roomId)));
    });
    this.ends.onCrowded((roomId) => this.#noteCrowded(roomId));
    // Turns that were waited for when this server stopped.
    const resumed = this.#resume()
      .catch((error: unknown) => this.#stopped || this.log.error('rooms with several ends could not be read', error))
      .then(() => void this.#working.delete(resumed));
    this.#working.add(resumed);
  }

  async #resume(): Promise<void> {
    for (const roomId of await this.rooms.withSeveralEnds(MAX_WAITING)) {
      if (this.#stopped) return;
      const room = await this.registry.find(roomId);
      if (!room?.rules.portable) continue;
      for (const userId of room.state.joined) this.#noteDrop(RESUMED_MS, roomId, room.state.get('m.room.member', userId)!);
    }
  }

  #noteDrop(delayMs: number, roomId: string, event: RoomEvent): void {
    if (retiredNames(event).length > 0) this.#after(delayMs, roomId, event.pdu.sender, () => this.#takeTurn(roomId, event));
  }

  /** Not put off by more of them: whoever makes ends may go on without end. */
  #noteCrowded(roomId: string): void {
    if (!this.#turns.has(turnKey(roomId, CROWDED))) this.#after(CROWDED_MS, roomId, CROWDED, () => this.#bindCrowded(roomId));
  }

  async #bindCrowded(roomId: string): Promise<void> {
    const needing = async (): Promise<Room | null> => {
      const room = await this.registry.find(roomId);
      return room?.state.isResident && room.extremities.length >= CROWDED_ENDS ? room : null;
    };
    const room = await needing();
    if (!room) return;
    const turn = turnOf(this.config.serverName, room.state.otherServers, roomId);
    if (turn === 0) await this.#speak(roomId, needing);
    else this.#after(turn * this.turnMs, roomId, CROWDED, () => this.#speak(roomId, needing));
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe?.();
    for (const turn of this.#turns.values()) clearTimeout(turn);
    await Promise.all(this.#working);
  }

  /** One thing at a time waits for a room and member: what is later looks at all that has come. */
  #after(delayMs: number, roomId: string, who: string, task: () => Promise<void>): void {
    const key = turnKey(roomId, who);
    if (this.#stopped || (this.#turns.size >= MAX_WAITING && !this.#turns.has(key))) return;
    clearTimeout(this.#turns.get(key));
    this.#turns.set(key, setTimeout(() => {
      this.#turns.delete(key);
      const work = task()
        .catch((error: unknown) => this.#stopped || this.log.error('last words could not be passed on', error, { roomId }))
        .then(() => void this.#working.delete(work));
      this.#working.add(work);
    }, delayMs).unref());
  }

  async #takeTurn(roomId: string, drop: RoomEvent): Promise<void> {
    const room = await this.#needing(roomId, drop);
    if (!room) return;
    const turn = turnOf(this.config.serverName, room.state.otherServers, drop.eventId);
    const speak = (): Promise<void> => this.#speak(roomId, () => this.#needing(roomId, drop));
    if (turn === 0) await speak();
    else this.#after(turn * this.turnMs, roomId, drop.pdu.sender, speak);
  }

  /** @param needing the room, if it still has to be spoken in */
  async #speak(roomId: string, needing: () => Promise<Room | null>): Promise<void> {
    const room = await needing();
    if (!room) return;
    for (const userId of room.state.localJoined.slice(0, MAX_SPEAKERS)) {
      try {
        await this.members.bind(roomId, userId);
        return;
      } catch (error) {
        this.log.debug('a resident could not pass on last words', { roomId, userId, reason: String(error) });
      }
    }
  }

  /** The room, if events of a home that the drop retires stand beside the drop, and nothing of here builds on both. */
  async #needing(roomId: string, drop: RoomEvent): Promise<Room | null> {
    const room = await this.#severalEnds(roomId);
    if (!room) return null;
    const before = await walkBack(this.events, { roomId, from: [drop.eventId], limit: MAX_BEFORE_DROP });
    const without = new Set(before.map((item) => item.event.eventId));
    const beside = await walkBack(this.events, { roomId, from: room.extremities.map((end) => end.eventId), limit: MAX_AFTER_DROP, without });
    const retired = retiredNames(drop);
    const isLast = beside.some(({ status, event: { pdu } }) =>
      status === EventStatus.accepted && pdu.sender === drop.pdu.sender && pdu.home !== undefined && retired.includes(pdu.home));
    return isLast ? room : null;
  }

  async #severalEnds(roomId: string): Promise<Room | null> {
    const room = await this.registry.find(roomId);
    return room?.rules.portable && room.state.isResident && room.extremities.length > 1 ? room : null;
  }
}

function turnKey(roomId: string, who: string): string {
  return `${roomId} ${who}`;
}

/** Names of homes that an own member event retires. */
function retiredNames(event: RoomEvent): string[] {
  const { type, state_key: userId, sender } = event.pdu;
  if (type !== 'm.room.member' || userId !== sender) return [];
  return (recordOf(event)?.retired ?? []).map((home) => home.server_name);
}

/** Whose turn comes when: by the same order at all servers, another one for each drop. */
function turnOf(own: string, others: readonly string[], eventId: string): number {
  const rank = (server: string): string => createHash('sha256').update(`${eventId} ${server}`).digest('hex');
  const mine = rank(own);
  return others.filter((server) => rank(server) < mine).length % MAX_TURNS;
}
