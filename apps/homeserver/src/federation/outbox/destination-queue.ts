import type { PduResults } from '../pdu-receiver.js';
import { MAX_EDUS, MAX_PDUS } from '../inbound/inbound-transactions.js';
import { MAX_MISSED, type Missed, type QueuedPdu } from './missed.store.js';
import type { StoredEdu } from './outbox.store.js';
import { PostponedPdus } from './postponed.js';

/** What a queue needs of the rest; one object for all queues. */
export interface QueueSurroundings {
  /** Milliseconds of the steady clock. */
  now(): number;
  /** Milliseconds of the same clock before which the destination is left alone. */
  retryAt(destination: string): number;
  failures(destination: string): number;
  /** Sends a transaction. */
  send(destination: string, pdus: readonly string[], edus: readonly string[], txnId: string): Promise<Sent>;
  newTxnId(): string;
  /** Highest committed position. */
  head(): number;
  missed(destination: string, cursor: number, upTo: number): Promise<Missed>;
  edus(destination: string, limit: number, except: readonly number[]): Promise<readonly StoredEdu[]>;
  deleteEdus(ids: readonly number[]): Promise<void>;
  acknowledged(destination: string, pdus: readonly QueuedPdu[], results: PduResults): void;
  /** What to do about an error of `send`. */
  verdict(error: unknown): Verdict;
  failed(destination: string, error: unknown): void;
}

/** `later`: try the same again; `smaller`: it refuses this body, so find the part that it refuses. */
export type Verdict = { readonly kind: 'later'; readonly afterMs?: number } | { readonly kind: 'smaller' };

/** What came of a transaction. */
export interface Sent {
  readonly results: PduResults;
  /** PDUs and EDUs, as texts, that were left out: whether they may go to the destination cannot be told now. */
  readonly held: ReadonlySet<string>;
}

interface InFlight {
  readonly txnId: string;
  readonly pdus: readonly QueuedPdu[];
  readonly stored: readonly StoredEdu[];
  readonly volatile: readonly string[];
}

const MAX_VOLATILE = 200;
const MAX_EDU_CHARACTERS = 4 * 1024 * 1024;
/** Of the events of one transaction: hundreds may be on their way to servers that are silent. */
const MAX_PDU_CHARACTERS = 512 * 1024;
/** After so many failures in a row the queue lets go of its events; the database has them. */
const MAX_PATIENCE = 3;
const MAX_REFUSED_DELAY_MS = 60_000;
/** Stored EDUs of which it cannot be told whether the destination may get them: after so long they are tried again; of more the oldest go. */
const HELD_MS = 10_000;
const MAX_HELD = 1_000;

/**
 * What one server is still to get: events in the order of their positions, at least once, one transaction in flight. Up to
 * MAX_MISSED events wait in memory; what lies beyond is read from the database when these have arrived.
 */
export class DestinationQueue {
  #pending: QueuedPdu[] = [];
  /** Everything after `cursor` is in the database and not in `pending`; `newest` is the highest such position known. */
  #behind: { cursor: number; newest: number } | null = null;
  readonly #postponed = new PostponedPdus();
  #volatile: string[] = [];
  #mayHaveStored = false;
  /** Stored EDUs that wait, and until when. */
  readonly #held = new Map<number, number>();
  #inFlight: InFlight | null = null;
  #running: Promise<void> | null = null;
  #timer: NodeJS.Timeout | undefined;
  #limit = MAX_PDUS;
  #refusals = 0;
  #notBefore = 0;
  #isStopped = false;

  constructor(
    readonly destination: string,
    private readonly surroundings: QueueSurroundings,
  ) {}

  /** True when there is nothing left to send. */
  get isIdle(): boolean {
    return !this.#running && !this.#hasWork && this.#postponed.size + this.#held.size === 0;
  }

  /** True when there is something that need not wait. */
  get #hasWork(): boolean {
    return this.#inFlight !== null || this.#behind !== null || this.#mayHaveStored || this.#pending.length + this.#volatile.length > 0;
  }

  /** True when it works, or will by itself when a back-off is over. */
  get isWaiting(): boolean {
    return this.#running !== null || this.#timer !== undefined;
  }

  /** Everything up to here has arrived; null when there is nothing that has not. */
  get floor(): number | null {
    const positions = [...(this.#inFlight?.pdus ?? []), ...this.#pending].map((pdu) => pdu.pos - 1);
    for (const pos of this.#postponed.positions()) positions.push(pos - 1);
    if (this.#behind) positions.push(this.#behind.cursor);
    return positions.length === 0 ? null : positions.reduce((a, b) => Math.min(a, b));
  }

  add(pdu: QueuedPdu): void {
    if (this.#behind) {
      this.#behind.newest = Math.max(this.#behind.newest, pdu.pos);
    } else if (this.#pending.length >= MAX_MISSED) {
      this.#behind = { cursor: this.#pending.at(-1)!.pos, newest: pdu.pos };
    } else {
      // Two rooms of one commit may come in the wrong order; the floor and the database go by position.
      const after = this.#pending.findLastIndex((other) => other.pos < pdu.pos);
      this.#pending.splice(after + 1, 0, pdu);
    }
  }

  /** An event of a time when the destination was not in the room, which is why no place in the stream leads to it. */
  addEarlier(pdu: QueuedPdu): void {
    this.#postponed.addNow(pdu, this.surroundings.now());
  }

  /** Sends what the database has after `cursor`, too. */
  addMissed(cursor: number, newest: number): void {
    const floor = Math.min(cursor, this.floor ?? cursor);
    this.#pending = [];
    this.#behind = { cursor: floor, newest };
  }

  /** Best effort: dropped when the destination is away or there are too many. */
  addVolatile(json: string): void {
    if (this.surroundings.retryAt(this.destination) > this.surroundings.now()) return;
    this.#volatile.push(json);
    if (this.#volatile.length > MAX_VOLATILE) this.#volatile.shift();
  }

  /** There may be stored EDUs for the destination. */
  addStored(): void {
    this.#mayHaveStored = true;
  }

  /** Starts sending, if there is anything to send and the destination is not left alone. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isStopped) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
      this.#retryLater();
    });
  }

  /** Ends sending; resolves when the transaction in flight has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isStopped && this.#waitMs() <= 0) {
      try {
        this.#inFlight ??= await this.#next();
        if (!this.#inFlight) return;
        await this.#deliver(this.#inFlight);
      } catch (error) {
        // Only the database can fail here; nothing is lost by trying again.
        this.surroundings.failed(this.destination, error);
        this.#notBefore = this.surroundings.now() + 1_000;
      }
    }
  }

  #waitMs(): number {
    return Math.max(this.surroundings.retryAt(this.destination), this.#notBefore) - this.surroundings.now();
  }

  #retryLater(): void {
    if (this.#isStopped || this.isIdle) return;
    clearTimeout(this.#timer);
    const postponedAt = Math.min(this.#postponed.size > 0 ? this.#postponed.at : Infinity, ...this.#held.values());
    const postponedMs = this.#hasWork ? 0 : postponedAt - this.surroundings.now();
    this.#timer = setTimeout(() => this.wake(), Math.max(1, this.#waitMs(), postponedMs)).unref();
  }

  async #next(): Promise<InFlight | null> {
    if (this.#pending.length === 0 && this.#behind) await this.#readMissed();
    const stored = await this.#storedEdus();
    const again = this.#postponed.due(this.surroundings.now(), Math.ceil(this.#limit / 2));
    const pdus = [...again, ...this.#pending.splice(0, this.#fitting(this.#limit - again.length))];
    const volatile = this.#volatile.splice(0, Math.min(MAX_EDUS, this.#limit * 2) - stored.length);
    if (pdus.length + stored.length + volatile.length === 0) return null;
    return { txnId: this.surroundings.newTxnId(), pdus, stored, volatile };
  }

  /** How many of the next events, at most `limit`, make a transaction that is not too large; one in any case. */
  #fitting(limit: number): number {
    let characters = 0;
    for (let i = 0; i < Math.min(limit, this.#pending.length); i++) {
      characters += this.#pending[i]!.json.length;
      if (i > 0 && characters > MAX_PDU_CHARACTERS) return i;
    }
    return limit;
  }

  async #readMissed(): Promise<void> {
    while (this.#behind && this.#pending.length === 0) {
      const upTo = this.surroundings.head();
      const missed = await this.surroundings.missed(this.destination, this.#behind.cursor, upTo);
      // Whatever was added meanwhile was only noted in `newest`.
      if (missed.upTo >= this.#behind.newest && missed.upTo === upTo) this.#behind = null;
      else this.#behind.cursor = missed.upTo;
      this.#pending = [...missed.pdus];
    }
  }

  async #storedEdus(): Promise<StoredEdu[]> {
    for (const [id, until] of this.#held) {
      if (until > this.surroundings.now()) continue;
      this.#held.delete(id);
      this.#mayHaveStored = true;
    }
    if (!this.#mayHaveStored) return [];
    this.#mayHaveStored = false;
    const limit = Math.min(MAX_EDUS, this.#limit * 2);
    const found = await this.surroundings.edus(this.destination, limit, [...this.#held.keys()]).catch((error: unknown) => {
      this.#mayHaveStored = true;
      throw error;
    });
    const taken: StoredEdu[] = [];
    let size = 0;
    for (const edu of found) {
      size += edu.json.length;
      if (taken.length > 0 && size > MAX_EDU_CHARACTERS) break;
      taken.push(edu);
    }
    if (taken.length < found.length || found.length === limit) this.#mayHaveStored = true;
    return taken;
  }

  async #deliver(inFlight: InFlight): Promise<void> {
    const { pdus, stored, volatile, txnId } = inFlight;
    let sent: Sent;
    try {
      const edus = [...stored.map((edu) => edu.json), ...volatile];
      sent = await this.surroundings.send(this.destination, pdus.map((pdu) => pdu.json), edus, txnId);
    } catch (error) {
      this.#onFailure(inFlight, error);
      return;
    }
    this.#refusals = 0;
    this.#limit = MAX_PDUS;
    await this.#done(inFlight, sent);
  }

  async #done({ pdus, stored }: InFlight, { results, held }: Sent): Promise<void> {
    this.surroundings.acknowledged(this.destination, pdus, results);
    for (const pdu of pdus) if (held.has(pdu.json) || results[pdu.eventId]?.later) this.#postponed.add(pdu, this.surroundings.now());
    this.#postponed.settled(pdus);
    for (const { id, json } of stored) if (held.has(json)) this.#held.set(id, this.surroundings.now() + HELD_MS);
    const surplus = [...this.#held.keys()].slice(0, Math.max(0, this.#held.size - MAX_HELD));
    for (const id of surplus) this.#held.delete(id);
    // Gone first: when the deletion fails, the EDUs are sent again, in a transaction of their own.
    this.#inFlight = null;
    if (stored.length === 0) return;
    this.#mayHaveStored ||= stored.length > 0;
    await this.surroundings.deleteEdus([...surplus, ...stored.flatMap((edu) => (this.#held.has(edu.id) ? [] : [edu.id]))]);
  }

  #onFailure(inFlight: InFlight, error: unknown): void {
    this.surroundings.failed(this.destination, error);
    const verdict = this.surroundings.verdict(error);
    if (verdict.kind === 'smaller') {
      this.#split(inFlight);
      return;
    }
    this.#volatile = [];
    const delay = verdict.afterMs ?? Math.min(MAX_REFUSED_DELAY_MS, 1_000 * 2 ** Math.min(this.#refusals, 10));
    this.#refusals++;
    // Without an answer the destination's back-off decides; an answer that refuses is no reason to leave it alone altogether.
    if (this.#waitMs() <= 0) this.#notBefore = this.surroundings.now() + delay;
    if (this.surroundings.failures(this.destination) >= MAX_PATIENCE && this.#pending.length > 0) {
      this.#behind = { cursor: this.#pending[0]!.pos - 1, newest: Math.max(this.#pending.at(-1)!.pos, this.#behind?.newest ?? 0) };
      this.#pending = [];
    }
  }

  /** The destination finds something wrong with the transaction: halve it until what it refuses is alone, then leave that out. */
  #split(inFlight: InFlight): void {
    const { pdus, stored, volatile } = inFlight;
    this.#inFlight = null;
    if (stored.length > 0) this.#mayHaveStored = true;
    if (pdus.length > 1 || stored.length + volatile.length > 2) {
      this.#limit = Math.max(1, this.#limit >> 1);
      this.#pending = [...pdus, ...this.#pending];
      return;
    }
    if (stored.length > 0) this.surroundings.deleteEdus(stored.map((edu) => edu.id)).catch(() => {});
  }
}
