import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Log } from '../../observability/log.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import type { AnswerNumber } from '../sync-token.js';
import { type ConnectionState, readStates, statesText } from './connection-state.js';
import type { ConnectionKey } from './connection-key.js';
import { ConnectionsStore } from './connections.store.js';
import { rememberedChars } from './told-rooms.js';

/** Rooms of the connections that are in memory, of some tens of bytes each. */
const MAX_ROOMS = 1_000_000;
/** What a connection counts for besides its rooms. */
const BASE_SIZE = 20;
/** Characters of rules of state, which are held prepared for use, that take as much as a room. */
const CHARS_PER_ROOM = 5;
/** Of one device; the one that was used least lately goes. */
export const MAX_PER_DEVICE = 10;
/** Answers that are on their way to a client that has not asked again. */
const MAX_ANSWERS = 4;
const FLUSH_MS = 30_000;
/** Connections that are written at once. */
const BATCH = 100;
/** Of a connection; one that is larger is not written, so that it goes on from what was written of it before. */
const MAX_STORED_BYTES = 1024 * 1024;
/** A client that was away for so long begins anew. */
const LIFETIME_MS = 30 * 24 * 3_600_000;

/** A connection of a client (MSC4186, "Connections"). */
interface Connection {
  readonly key: ConnectionKey;
  /** Random: another connection of the same name has another one. */
  readonly id: string;
  /** What the client has received for certain, and the number of that answer. */
  number: number;
  state: ConnectionState;
  /** What it may have received, by number of the answer. */
  readonly answers: Map<number, ConnectionState>;
  lastNumber: number;
  /** Grows when an answer turns out never to have been received. */
  generation: number;
  /** Whether it was read from the database, where what it has received since may not be noted. */
  readonly isStored: boolean;
  /** Whether the client has received more than `state`: what that was is not known. */
  isBehind: boolean;
}

/** A place from which a client goes on. */
export interface OpenConnection {
  readonly state: ConnectionState;
  /** Number of the answer that the client has. */
  readonly number: number;
  /** Whether the client has received more than `state`. */
  readonly isBehind: boolean;
  /** As whom `LazyMembers` knows it. */
  readonly client: string;
  /** Begins an answer. @returns its number */
  begin(): number;
  /** The answer was not given. */
  cancel(number: number): void;
  /** The answer is given. @returns what its `pos` names */
  give(number: number, state: ConnectionState): AnswerNumber;
}

/**
 * What the clients of sliding syncs have. A client may repeat a request, so that what it has is what the answer held with whose `pos` it
 * comes. It is in memory, and written to the database after a while and at the end of the process: what is read after a crash may be
 * of before, which repeats something and loses nothing.
 */
@Injectable()
export class Connections implements OnModuleDestroy {
  readonly #held = new LRUCache<string, Connection>({
    maxSize: MAX_ROOMS,
    sizeCalculation: ({ state }) => BASE_SIZE + state.rooms.size + Math.ceil(rememberedChars(state.rooms) / CHARS_PER_ROOM),
    dispose: (connection, _key, reason) => {
      if (reason !== 'set') this.#forget(connection.key);
      if (reason !== 'evict') return;
      this.#changed.add(connection);
      void this.flush();
    },
  });
  /** By device: its connections in memory, the one that was begun first at first. */
  readonly #ofDevice = new Map<string, Set<string>>();
  readonly #changed = new Set<Connection>();
  readonly #timer: NodeJS.Timeout;
  #flushing: Promise<void> = Promise.resolve();

  constructor(
    private readonly store: ConnectionsStore,
    private readonly clock: Clock,
    private readonly random: Random,
    private readonly log: Log,
  ) {
    this.#timer = setInterval(() => void this.flush(), FLUSH_MS);
    this.#timer.unref();
  }

  async onModuleDestroy(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  /** Begins a connection, in place of the one of that name. */
  open(key: ConnectionKey, state: ConnectionState): OpenConnection {
    const connection: Connection = {
      key, id: this.random.token(6), number: 0, state, answers: new Map(), lastNumber: 0, generation: 0, isStored: false, isBehind: false,
    };
    this.#drop(textOf(key));
    this.#hold(connection);
    // Also before the client has received anything: what was looked at is known then.
    this.#changed.add(connection);
    return this.#opened(connection);
  }

  /** Goes on where an answer ended; undefined for what is not an answer of this connection, or not its last one. */
  async find(key: ConnectionKey, { connection: id, number }: AnswerNumber): Promise<OpenConnection | undefined> {
    const connection = this.#held.get(textOf(key)) ?? (await this.#read(key));
    if (connection?.id !== id) return undefined;
    const received = connection.answers.get(number);
    // After a crash the client is further than is known here: it is told again what it has.
    const isAhead = connection.isStored && number > connection.lastNumber;
    if (number !== connection.number && !received && !isAhead) return undefined;
    if (received) {
      // What was in an answer between was never received.
      if (number !== connection.number + 1) connection.generation++;
      connection.state = received;
      connection.answers.clear();
      connection.isBehind = false;
    } else if (isAhead) connection.isBehind = true;
    if (number !== connection.number) {
      connection.number = number;
      connection.lastNumber = Math.max(connection.lastNumber, number);
      this.#changed.add(connection);
      // It may have grown.
      this.#held.set(textOf(key), connection);
    }
    return this.#opened(connection);
  }

  /** Writes what has changed. */
  flush(): Promise<void> {
    this.#flushing = this.#flushing.then(() => this.#write()).catch((error: unknown) => this.log.error('connections of sliding syncs were not written', error));
    return this.#flushing;
  }

  #opened(connection: Connection): OpenConnection {
    const { state, number, id, generation, isBehind } = connection;
    return {
      state, number, isBehind, client: `${id} ${generation}`,
      begin: () => ++connection.lastNumber,
      cancel: (answer) => {
        if (connection.lastNumber === answer) connection.lastNumber--;
      },
      give: (answer, next) => {
        connection.answers.set(answer, next);
        this.#changed.add(connection);
        const [oldest] = connection.answers.keys();
        if (connection.answers.size > MAX_ANSWERS) connection.answers.delete(oldest!);
        return { connection: id, number: answer };
      },
    };
  }

  async #read(key: ConnectionKey): Promise<Connection | undefined> {
    // One that was dropped from memory is written before it is read.
    await this.#flushing;
    const row = await this.store.find(key, this.clock.now() - LIFETIME_MS);
    const held = this.#held.get(textOf(key));
    if (held || !row) return held;
    const [base, ...answers] = readStates(row.state);
    const connection: Connection = {
      key, id: row.id, number: row.number, state: base![1], answers: new Map(answers), lastNumber: Math.max(row.number, ...answers.map(([number]) => number)),
      generation: 0, isStored: true, isBehind: false,
    };
    this.#hold(connection);
    return connection;
  }

  #hold(connection: Connection): void {
    const { key } = connection;
    const text = textOf(key);
    const own = this.#ofDevice.get(deviceOf(key)) ?? new Set<string>();
    this.#ofDevice.set(deviceOf(key), own.add(text));
    this.#held.set(text, connection);
    const [first] = own;
    if (own.size > MAX_PER_DEVICE) this.#drop(first!);
  }

  #drop(text: string): void {
    const dropped = this.#held.peek(text);
    if (!dropped) return;
    this.#changed.delete(dropped);
    this.#held.delete(text);
  }

  #forget(key: ConnectionKey): void {
    const own = this.#ofDevice.get(deviceOf(key));
    own?.delete(textOf(key));
    if (own?.size === 0) this.#ofDevice.delete(deviceOf(key));
  }

  async #write(): Promise<void> {
    const connections = [...this.#changed];
    for (let i = 0; i < connections.length; i += BATCH) {
      const batch = connections.slice(i, i + BATCH).filter((connection) => this.#changed.delete(connection));
      const rows = batch.map(({ key, id, number, state, answers }) => ({ ...key, id, number, state: statesText([[number, state], ...answers]), usedTs: this.clock.now() }));
      // A connection without a device is nobody's after the session.
      await this.store.put(rows.filter((row) => row.deviceId !== '' && row.state.length <= MAX_STORED_BYTES), MAX_PER_DEVICE);
    }
    if (connections.length > 0) await this.store.purge(this.clock.now() - LIFETIME_MS);
  }
}

function deviceOf({ userId, deviceId }: ConnectionKey): string {
  return JSON.stringify([userId, deviceId]);
}

function textOf({ userId, deviceId, connId }: ConnectionKey): string {
  return JSON.stringify([userId, deviceId, connId]);
}
