import type { RoutingStorage } from '../storage.js';

/** Per room; a client that falls back further than this gets the room anew, with its latest events. */
const maxHistory = 64;
const maxRooms = 10_000;
const maxToDevice = 256;

/** What one sync answer delivered. */
export interface Delivery {
  /** The home that it came from. */
  serverName: string;
  /** Whether it started from nothing, so that what was known before is void. */
  initial: boolean;
  /** Count of the answer that the app had before it. */
  after: number;
  /**
   * Per room: its frontier, or null once the user has left; the ids of timeline events, and what they say (see `saidAt`);
   * whether the timeline takes the place of what the app had.
   */
  rooms: Map<string, { frontier?: string[] | null; events: string[]; said?: ReadonlyMap<string, string>; anew?: boolean }>;
  /** The account's version vector. */
  account?: Record<string, number>;
  /** Digests of to-device messages. */
  toDevice: string[];
}

/** A place from which another home can go on. */
export interface Place {
  rooms: Record<string, string[]>;
  account: Record<string, number>;
}

type Step = number;
/** In a room's events: here the timeline began anew. */
const ANEW = '';
interface RoomHistory { frontiers: Array<[Step, string[] | null]>; events: Array<[Step, string, string?]> }
interface AccountHistory { step: Step; vectors: Array<[Step, Record<string, number>]>; toDevice: Array<[Step, string, string]> }

/**
 * What the app has been given, as of each of its recent sync tokens. An app saves its token far less often than it gets one; after a
 * restart it falls back to the saved one, and must then get again what it has lost. So the histories are kept by the count
 * of answers ("step"), which is part of the app's token.
 */
export class ResumeState {
  private rooms = new Map<string, RoomHistory>();
  private account: AccountHistory = { step: 0, vectors: [], toDevice: [] };
  private loaded?: Promise<void>;
  /** Rooms that the stored list names. */
  private listed: ReadonlySet<string> = new Set();

  constructor(private readonly storage: RoutingStorage, private readonly storageKey: string) {}

  /** Reads the stored state, once. */
  load(): Promise<void> {
    return this.loaded ??= this.read();
  }

  /** The place of the client at a step. */
  placeAt(step: Step): Place {
    const rooms: Record<string, string[]> = {};
    for (const [roomId, { frontiers, events }] of this.rooms) {
      const frontier = lastUntil(frontiers, step)?.[1];
      if (frontier) rooms[roomId] = frontier;
      if (frontier !== undefined) continue;
      // The history has been cut: events that were delivered are as good. With none the room is left out and comes anew.
      const known = sinceAnew(events, step).map(([, id]) => id);
      if (known.length > 0) rooms[roomId] = known;
    }
    return { rooms, account: lastUntil(this.account.vectors, step)?.[1] ?? {} };
  }

  /** Ids of recent timeline events of a room that the app has at a step. */
  eventsAt(roomId: string, step: Step): Set<string> {
    return new Set(sinceAnew(this.rooms.get(roomId)?.events ?? [], step).map(([, id]) => id));
  }

  /**
   * Which of those events said what: event ids by sender and once-only key. A message that was sent at two homes is two events,
   * and a home may know the other one only (protocol §3 rule 6).
   */
  saidAt(roomId: string, step: Step): Map<string, string> {
    const events = sinceAnew(this.rooms.get(roomId)?.events ?? [], step);
    return new Map(events.flatMap(([, id, said]) => (said !== undefined ? [[said, id]] : [])));
  }

  /** Whether another home has already delivered this to-device message. */
  hasToDevice(digest: string, step: Step, serverName: string): boolean {
    return this.account.toDevice.some(([at, id, from]) => at <= step && id === digest && from !== serverName);
  }

  /**
   * Notes an answer; storage has it when the promise resolves.
   * @returns the step that stands for it
   */
  async deliver(delivery: Delivery): Promise<Step> {
    const step = this.account.step + 1;
    const changed = new Set(delivery.initial ? this.rooms.keys() : []);
    if (delivery.initial) this.rooms = new Map();
    else this.fallBack(delivery.after, changed);
    const after = delivery.initial ? 0 : delivery.after;
    this.account = {
      step,
      vectors: noted(until(this.account.vectors, after), step, delivery.account),
      toDevice: grown(
        until(this.account.toDevice, after),
        delivery.toDevice.map((id): [Step, string, string] => [step, id, delivery.serverName]),
        maxToDevice,
      ),
    };
    for (const [roomId, { frontier, events, said, anew }] of delivery.rooms) {
      const before = this.rooms.get(roomId) ?? { frontiers: [], events: [] };
      this.rooms.delete(roomId);
      this.rooms.set(roomId, {
        frontiers: noted(before.frontiers, step, frontier?.slice(0, maxHistory) ?? frontier),
        events: grown(
          before.events,
          [...(anew ? [ANEW] : []), ...events].map((id): [Step, string, string?] => [step, id, said?.get(id)]),
          maxHistory,
        ),
      });
      changed.add(roomId);
    }
    // The rooms that changed longest ago are at the front.
    for (const roomId of this.rooms.keys()) {
      if (this.rooms.size <= maxRooms) break;
      this.rooms.delete(roomId);
      changed.add(roomId);
    }
    await this.write(changed);
    return step;
  }

  /** Forgets everything, for instance at logout. */
  async clear(): Promise<void> {
    const changed = new Set(this.rooms.keys());
    this.rooms = new Map();
    this.account = { step: this.account.step, vectors: [], toDevice: [] };
    await this.write(changed);
  }

  /** Drops what was delivered after a step: the app has gone back to it. */
  private fallBack(step: Step, changed: Set<string>): void {
    for (const [roomId, history] of this.rooms) {
      const frontiers = until(history.frontiers, step);
      const events = until(history.events, step);
      if (frontiers.length === history.frontiers.length && events.length === history.events.length) continue;
      if (frontiers.length + events.length > 0) this.rooms.set(roomId, { frontiers, events });
      else this.rooms.delete(roomId);
      changed.add(roomId);
    }
  }

  private async read(): Promise<void> {
    const account = parse(await this.storage.get(this.storageKey)) as Partial<AccountHistory & { rooms: string[] }> | null;
    if (!account) return;
    this.account = { step: account.step ?? 0, vectors: account.vectors ?? [], toDevice: account.toDevice ?? [] };
    const ids = parse(await this.storage.get(`${this.storageKey}/rooms`));
    this.listed = new Set(Array.isArray(ids) ? ids as string[] : []);
    const histories = await Promise.all([...this.listed].map(async (roomId) => (
      [roomId, parse(await this.storage.get(this.roomKey(roomId))) as RoomHistory | null] as const
    )));
    for (const [roomId, history] of histories) if (history) this.rooms.set(roomId, history);
  }

  /** One entry per room, because one for all would be rewritten, by megabytes, with every message. */
  private async write(changed: ReadonlySet<string>): Promise<void> {
    const writes = [...changed].map((roomId) => {
      const history = this.rooms.get(roomId);
      return this.storage.set(this.roomKey(roomId), history ? JSON.stringify(history) : null);
    });
    if ([...changed].some((roomId) => this.rooms.has(roomId) !== this.listed.has(roomId))) {
      this.listed = new Set(this.rooms.keys());
      writes.push(this.storage.set(`${this.storageKey}/rooms`, JSON.stringify([...this.listed])));
    }
    await Promise.all(writes);
    // Last, because a step must not be known before its rooms are.
    await this.storage.set(this.storageKey, JSON.stringify(this.account));
  }

  private roomKey(roomId: string): string {
    return `${this.storageKey}/room/${roomId}`;
  }
}

function until<T extends [Step, ...unknown[]]>(history: T[], step: Step): T[] {
  return history.filter(([at]) => at <= step);
}

/** What of a room's events the app has at a step. */
function sinceAnew(events: RoomHistory['events'], step: Step): RoomHistory['events'] {
  const had = until(events, step);
  return had.slice(had.findLastIndex(([, id]) => id === ANEW) + 1);
}

function lastUntil<T extends [Step, ...unknown[]]>(history: T[], step: Step): T | undefined {
  return history.findLast(([at]) => at <= step);
}

function grown<T>(history: T[], more: T[], limit: number): T[] {
  return [...history, ...more].slice(-limit);
}

/** The history with a new value, unless that is none or the same as the last. */
function noted<T>(history: Array<[Step, T]>, step: Step, value: T | undefined): Array<[Step, T]> {
  const same = value === undefined || (history.length > 0 && JSON.stringify(history.at(-1)?.[1]) === JSON.stringify(value));
  return same ? history : grown(history, [[step, value]], maxHistory);
}

function parse(text: string | null): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return null;
  }
}
