import { parseStoredJson } from '#json';
import type { RoutingStorage } from '../storage.js';

/** Per room; a client that falls back further than this gets the room anew, with its latest events. */
const maxHistory = 64;
const maxRooms = 10_000;
/** Ids of messages to the device that are kept; each is 43 characters, in storage that is written with every answer. */
const maxToDevice = 256;
/** Homes whose last vector is kept. */
const maxHeard = 10;

/** What one sync answer delivered. */
export interface Delivery {
  /** The home that it came from. */
  serverName: string;
  /** Whether it started from nothing, so that what was known of rooms before is void. */
  initial: boolean;
  /** Count of the answer that the app had before it; 0 when it had none. */
  after: number;
  /**
   * Per room: its frontier, or null once the user has left; the ids of timeline events, and what they say (see `saidAt`);
   * whether the timeline takes the place of what the app had.
   */
  rooms: Map<string, { frontier?: string[] | null; events: string[]; said?: ReadonlyMap<string, string>; anew?: boolean }>;
  /** The account's version vector. */
  account?: Record<string, number>;
  /** Ids of messages to the device. */
  toDevice: string[];
}

/** A place from which another home can go on. */
export interface Place {
  rooms: Record<string, string[]>;
  account: Record<string, number>;
  /** Ids of messages to the device that it has, and of which the home may not know that. */
  to_device: string[];
}

type Vector = Record<string, number>;
type Step = number;
/** In a room's events: here the timeline began anew. */
const ANEW = '';
interface RoomHistory { frontiers: Array<[Step, string[] | null]>; events: Array<[Step, string, string?]> }
/** The vector is of a home that knows that the device has the message. */
type ToDeviceEntry = [Step, string, Vector?];
interface AccountHistory {
  step: Step;
  vectors: Array<[Step, Vector]>;
  toDevice: ToDeviceEntry[];
  /** The last vector of each home. */
  heard: Array<[string, Vector]>;
}

/**
 * What the app has been given, as of each of its recent sync tokens. An app saves its token far less often than it gets one; after a
 * restart it falls back to the saved one, and must then get again what it has lost. So the histories are kept by the count
 * of answers ("step"), which is part of the app's token.
 */
export class ResumeState {
  private rooms = new Map<string, RoomHistory>();
  private account: AccountHistory = { step: 0, vectors: [], toDevice: [], heard: [] };
  private loaded?: Promise<void>;
  /** Rooms that the stored list names. */
  private listed: ReadonlySet<string> = new Set();

  constructor(private readonly storage: RoutingStorage, private readonly storageKey: string) {}

  /** Reads the stored state, once. */
  load(): Promise<void> {
    return this.loaded ??= this.read();
  }

  /** The place of the client at a step, for a home to go on from. */
  placeAt(step: Step, serverName: string): Place {
    const rooms: Record<string, string[]> = {};
    for (const [roomId, { frontiers, events }] of this.rooms) {
      const frontier = lastUntil(frontiers, step)?.[1];
      if (frontier) rooms[roomId] = frontier;
      if (frontier !== undefined) continue;
      // The history has been cut: events that were delivered are as good. With none the room is left out and comes anew.
      const known = sinceAnew(events, step).map(([, id]) => id);
      if (known.length > 0) rooms[roomId] = known;
    }
    const heard = this.account.heard.find(([home]) => home === serverName)?.[1];
    const toDevice = until(this.account.toDevice, step).filter(([, , consumed]) => !covers(heard, consumed)).map(([, id]) => id);
    return { rooms, account: lastUntil(this.account.vectors, step)?.[1] ?? {}, to_device: toDevice };
  }

  /** Per room that the user is in the ids of the timeline events that the app got last; the rooms that changed last come first. */
  latest(): Array<[roomId: string, eventIds: string[]]> {
    const { step } = this.account;
    const rooms = [...this.rooms].filter(([, { frontiers }]) => frontiers.at(-1)?.[1] !== null).reverse();
    return rooms.map(([roomId, { events }]) => [roomId, sinceAnew(events, step).map(([, id]) => id)]);
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

  /** Whether the app has this message to the device, whichever home it came from. */
  hasToDevice(messageId: string, step: Step): boolean {
    return this.account.toDevice.some(([at, id]) => at <= step && id === messageId);
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
        // Who comes with a token, or resumes, has told the home what it got: its log then holds that, up to this vector.
        until(this.account.toDevice, delivery.after).map(([at, id, consumed]): ToDeviceEntry => [at, id, consumed ?? some(delivery.account)]),
        delivery.toDevice.map((id): ToDeviceEntry => [step, id]),
        maxToDevice,
      ),
      heard: delivery.account
        ? grown(this.account.heard.filter(([home]) => home !== delivery.serverName), [[delivery.serverName, delivery.account]], maxHeard)
        : this.account.heard,
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
    await this.load();
    const changed = new Set(this.rooms.keys());
    this.rooms = new Map();
    this.account = { step: this.account.step, vectors: [], toDevice: [], heard: [] };
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
    this.account = {
      step: account.step ?? 0,
      vectors: account.vectors ?? [],
      // Before they had ids there were digests here, with the name of a home.
      toDevice: (account.toDevice ?? []).filter(([, , consumed]) => typeof consumed !== 'string'),
      heard: account.heard ?? [],
    };
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

/** Whether a home with the one vector has all that a home with the other had. */
function covers(vector: Vector | undefined, other: Vector | undefined): boolean {
  return vector !== undefined && other !== undefined && Object.entries(other).every(([log, n]) => (vector[log] ?? 0) >= n);
}

/** An account that had no other home yet has no vector. */
function some(vector: Vector | undefined): Vector | undefined {
  return vector && Object.keys(vector).length > 0 ? vector : undefined;
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
    return parseStoredJson(text ?? 'null');
  } catch {
    return null;
  }
}
