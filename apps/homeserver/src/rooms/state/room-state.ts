import { KNOWN_RECORD_TYPE, recordOf, serverNameOf, stateKeyOf, type RoomEvent, type RoomVersionRules, type StateReader } from '#federation';
import { bytesOf, isReadable, keptEntry, type StateEntry } from './state-entry.js';

/** A change of the current state; a null entry removes. */
export interface StateChange {
  readonly type: string;
  readonly stateKey: string;
  readonly entry: StateEntry | null;
  readonly previous: StateEntry | null;
}

const MEMBER = 'm.room.member';
const ENTRY_BYTES = 500;

export function membershipOf(event: RoomEvent | undefined): string | undefined {
  const membership = event?.pdu.content['membership'];
  return typeof membership === 'string' ? membership : undefined;
}

/**
 * The servers that act for a joined member: the homes of the record in portable rooms (protocol §3), else the domain of
 * the user id.
 */
export function serversOfMember(event: RoomEvent, rules: RoomVersionRules): string[] {
  const record = rules.portable ? recordOf(event) : undefined;
  if (record) return record.homes.map((home) => home.server_name);
  return [serverNameOf(event.pdu.state_key ?? event.pdu.sender)];
}

/** The event of an entry. @throws Error for one whose content is in the database only */
export function readable(entry: StateEntry | undefined): RoomEvent | undefined {
  if (entry && !isReadable(entry)) throw new Error(`the content of ${entry.event.pdu.type} is in the database only`);
  return entry?.event;
}

/**
 * The current state of a room in memory, and what is asked of it for every event: who is joined, who of them lives here,
 * which servers take part. Changed only by the room's writer, after the commit.
 */
export class RoomState implements StateReader {
  readonly #entries = new Map<string, StateEntry>();
  /** Portable rooms: what the state knows of records beyond what it shows. */
  readonly #known = new Map<string, StateEntry>();
  #textBytes = 0;
  #heldBytes = 0;
  readonly #joined = new Set<string>();
  readonly #localJoined = new Set<string>();
  readonly #servers = new Map<string, number>();
  #localList: readonly string[] | null = null;
  #serverList: readonly string[] | null = null;

  /** @param isLocal whether an account lives on this server */
  constructor(
    private readonly rules: RoomVersionRules,
    readonly serverName: string,
    private readonly isLocal: (userId: string) => boolean,
  ) {}

  /** An event of state that the server looks into; of what only clients look into the whole event is asked for (`WholeState`). */
  get(type: string, stateKey: string): RoomEvent | undefined {
    return readable(this.entry(type, stateKey));
  }

  entry(type: string, stateKey: string): StateEntry | undefined {
    return (this.#isKnown(type) ? this.#known : this.#entries).get(stateKeyOf(type, stateKey));
  }

  /** What the state shows. */
  entries(): IterableIterator<[string, StateEntry]> {
    return this.#entries.entries();
  }

  /** What it knows of records beyond that (`KNOWN_RECORD_TYPE`). */
  knownEntries(): IterableIterator<[string, StateEntry]> {
    return this.#known.entries();
  }

  /** Characters of the state's events, whether they are in memory or not. */
  get textBytes(): number {
    return this.#textBytes;
  }

  /** Approximate bytes in memory: each event, or what is kept of it, is held as text and parsed. */
  get bytes(): number {
    return ENTRY_BYTES * (this.#entries.size + this.#known.size) + 3 * this.#heldBytes;
  }

  /** Every joined member. */
  get joined(): ReadonlySet<string> {
    return this.#joined;
  }

  /** Joined members with an account on this server; the same array until it changes. */
  get localJoined(): readonly string[] {
    return (this.#localList ??= [...this.#localJoined]);
  }

  /** Servers that serve a joined member, without this one; the same array until it changes. */
  get otherServers(): readonly string[] {
    return (this.#serverList ??= [...this.#servers.keys()].filter((name) => name !== this.serverName));
  }

  /** True while this server serves a joined member, and so gets the room's events. */
  get isResident(): boolean {
    return this.#servers.has(this.serverName);
  }

  hasServer(serverName: string): boolean {
    return this.#servers.has(serverName);
  }

  /** How many joined members a server serves. */
  membersOn(serverName: string): number {
    return this.#servers.get(serverName) ?? 0;
  }

  /** Counts accounts that were added to this server after the room was loaded. */
  accountAdded(userId: string): void {
    if (!this.#joined.has(userId)) return;
    this.#localJoined.add(userId);
    this.#localList = null;
  }

  /** Counts out accounts that have left this server for other homes. */
  accountRemoved(userId: string): void {
    if (this.#localJoined.delete(userId)) this.#localList = null;
  }

  set(type: string, stateKey: string, entry: StateEntry | null): void {
    const key = stateKeyOf(type, stateKey);
    const entries = this.#isKnown(type) ? this.#known : this.#entries;
    const previous = entries.get(key);
    const kept = entry && keptEntry(entry, this.rules);
    if (kept) entries.set(key, kept);
    else entries.delete(key);
    this.#textBytes += (kept ? bytesOf(kept) : 0) - (previous ? bytesOf(previous) : 0);
    this.#heldBytes += (kept?.event.json.length ?? 0) - (previous?.event.json.length ?? 0);
    if (type !== MEMBER) return;
    if (previous && membershipOf(previous.event) === 'join') this.#countMember(stateKey, previous.event, -1);
    if (entry && membershipOf(entry.event) === 'join') this.#countMember(stateKey, entry.event, 1);
  }

  #isKnown(type: string): boolean {
    return this.rules.portable && type === KNOWN_RECORD_TYPE;
  }

  #countMember(userId: string, event: RoomEvent, by: 1 | -1): void {
    if (by === 1) {
      this.#joined.add(userId);
      if (this.isLocal(userId) && !this.#localJoined.has(userId)) {
        this.#localJoined.add(userId);
        this.#localList = null;
      }
    } else {
      this.#joined.delete(userId);
      if (this.#localJoined.delete(userId)) this.#localList = null;
    }
    for (const server of serversOfMember(event, this.rules)) {
      const count = (this.#servers.get(server) ?? 0) + by;
      if (count === 0 || (by === 1 && count === 1)) this.#serverList = null;
      if (count <= 0) this.#servers.delete(server);
      else this.#servers.set(server, count);
    }
  }
}
