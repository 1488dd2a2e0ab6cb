import { setTimeout as sleep } from 'node:timers/promises';
import { lineOf } from './dialogue.js';
import type { Ledger } from './ledger.js';
import type { Person } from './person.js';

const RETRY_MS = 50;

export interface TalkParts {
  readonly roomId: string;
  readonly people: readonly Person[];
  readonly ledger: Ledger;
  /** Time between two messages of one person, in milliseconds. */
  readonly periodMs: number;
  /** Repeatable numbers in [0, 1). */
  readonly draw: () => number;
  /** Milliseconds from any start. */
  readonly now: () => number;
}

/** Everybody writes at a steady rate, whatever happens, and keeps book of what is acknowledged and what comes up. */
export class Talk {
  readonly #stopping = new AbortController();
  readonly #written = new Map<string, number>();
  readonly #sent = new Map<string, { writtenAt: number; acknowledgedAt: number }>();
  #isAbandoned = false;
  #loops: Promise<void>[] = [];
  readonly #first: number;

  constructor(private readonly parts: TalkParts) {
    this.#first = Math.floor(parts.draw() * 16);
    const names = new Map(parts.people.map((person) => [person.userId, person.name]));
    for (const reader of parts.people) {
      reader.onMessage(({ sender, count, eventId, place }) => {
        const author = names.get(sender);
        if (author !== undefined) parts.ledger.shown(reader.name, { author, count, eventId, place, at: parts.now() });
      });
      reader.onRemoved((eventId) => parts.ledger.removed(reader.name, eventId));
    }
  }

  begin(): void {
    this.#loops = this.parts.people.map((person) => this.#loop(person));
  }

  /** No new messages; resolves when all that were written are acknowledged. */
  async end(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#loops);
  }

  /** Messages that a person has written, acknowledged or not. */
  written(name: string): number {
    return this.#written.get(name) ?? 0;
  }

  /** When the person's last message was acknowledged, if it was written after a time. */
  sentAfter(name: string, at: number): number | undefined {
    const sent = this.#sent.get(name);
    return sent && sent.writtenAt > at ? sent.acknowledgedAt : undefined;
  }

  /** Gives up on what has not been acknowledged. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#stopping.abort();
  }

  /** What a person has written last. */
  lastLine(who: 'alice' | 'bob'): string {
    return lineOf(who, this.#first + Math.floor((this.written(who) - 1) / 8));
  }

  async #loop(person: Person): Promise<void> {
    const { periodMs, draw } = this.parts;
    let sending = Promise.resolve();
    while (!this.#stopping.signal.aborted) {
      const count = this.written(person.name) + 1;
      this.#written.set(person.name, count);
      // A person does not wait for the last message to go out, but the messages keep their order.
      const writtenAt = this.parts.now();
      sending = sending.then(() => this.#send(person, count, writtenAt));
      await sleep(periodMs * (0.8 + 0.4 * draw()), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
    await sending;
  }

  async #send(person: Person, count: number, writtenAt: number): Promise<void> {
    const { roomId, ledger, now } = this.parts;
    const line = lineOf(person.name === 'bob' ? 'bob' : 'alice', this.#first + Math.floor((count - 1) / 8));
    for (let attempt = 1; !this.#isAbandoned; attempt++) {
      try {
        const eventId = await (attempt === 1 ? person.write(roomId, count, line) : person.rewrite(roomId, count));
        ledger.acknowledged(person.name, count, eventId, now());
        this.#sent.set(person.name, { writtenAt, acknowledgedAt: now() });
        return;
      } catch {
        // No home answered: the message stays in the outbox of the app, which tries again, as a person would.
        await sleep(RETRY_MS);
      }
    }
  }
}
