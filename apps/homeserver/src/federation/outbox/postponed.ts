import { parseStoredJson } from '#json';
import type { QueuedPdu } from './missed.store.js';

const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 60_000;
/** After that somebody's next event of the room has to do: about a day. */
const MAX_ATTEMPTS = 1_500;

interface Entry {
  readonly pdu: QueuedPdu;
  readonly attempts: number;
}

/**
 * Events that go to a server out of their turn: those that it could not take at the moment, because it could not get what they
 * refer to, and those of a time when it was not in the room. Of each room only the newest, which leads to the others; so these
 * are few, and hold up nothing else.
 */
export class PostponedPdus {
  readonly #entries = new Map<string, Entry>();
  /** Those that are being sent, by event id: how often they were. */
  readonly #taken = new Map<string, number>();
  #delay = FIRST_DELAY_MS;
  #at = 0;

  get size(): number {
    return this.#entries.size;
  }

  /** Milliseconds since the epoch when they are to be sent; only meaningful when there are any. */
  get at(): number {
    return this.#at;
  }

  positions(): number[] {
    return [...this.#entries.values()].map(({ pdu }) => pdu.pos);
  }

  /** One that the server is to get as soon as possible, although it lies before all that it has got. */
  addNow(pdu: QueuedPdu, now: number): void {
    const roomId = roomOf(pdu);
    if ((this.#entries.get(roomId)?.pdu.pos ?? -Infinity) < pdu.pos) this.#entries.set(roomId, { pdu, attempts: 0 });
    this.#at = now;
  }

  /** The server asks for this one later. */
  add(pdu: QueuedPdu, now: number): void {
    const attempts = (this.#taken.get(pdu.eventId) ?? 0) + 1;
    this.#taken.delete(pdu.eventId);
    const roomId = roomOf(pdu);
    const other = this.#entries.get(roomId);
    if (attempts >= MAX_ATTEMPTS || (other && other.pdu.pos > pdu.pos)) return;
    this.#entries.set(roomId, { pdu, attempts });
    if (this.#at > now) return;
    this.#at = now + this.#delay;
    this.#delay = Math.min(MAX_DELAY_MS, this.#delay * 2);
  }

  /** Takes out those whose time has come, in the order of their positions. */
  due(now: number, limit: number): QueuedPdu[] {
    if (this.#entries.size === 0 || this.#at > now) return [];
    const due = [...this.#entries].sort(([, a], [, b]) => a.pdu.pos - b.pdu.pos).slice(0, limit);
    for (const [roomId, { pdu, attempts }] of due) {
      this.#entries.delete(roomId);
      this.#taken.set(pdu.eventId, attempts);
    }
    return due.map(([, { pdu }]) => pdu);
  }

  /** The server has answered about these without asking for them again. */
  settled(pdus: readonly QueuedPdu[]): void {
    for (const { eventId } of pdus) this.#taken.delete(eventId);
    if (this.#entries.size === 0) this.#delay = FIRST_DELAY_MS;
  }
}

function roomOf({ json, eventId }: QueuedPdu): string {
  const roomId = (parseStoredJson(json) as { room_id?: unknown }).room_id;
  // A create event of versions whose room id is its hash.
  return typeof roomId === 'string' ? roomId : eventId;
}
