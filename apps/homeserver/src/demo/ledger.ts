/** A message is known by its author and the author's count, whatever became of it on the way. */
interface Sighting {
  readonly author: string;
  readonly count: number;
  readonly eventId: string;
  /** Place in the reader's timeline. */
  readonly place: number;
  /** Milliseconds, as all times here, from any start. */
  readonly at: number;
}

/** What one person saw of the others' and of the own messages. */
export interface ReaderFigures {
  /** Messages that came up, each counted once. */
  readonly seen: number;
  /** Acknowledged messages that never came up. */
  readonly lost: number;
  /** Messages that came up again. */
  readonly duplicated: number;
  /** Messages that came up after a later one of the same author. */
  readonly outOfOrder: number;
  /** Longest time without a message of the others, who wrote all the time. */
  readonly longestPauseMs: number;
}

export interface LedgerFigures {
  readonly acknowledged: number;
  /** Longest time between two acknowledgements of one author. */
  readonly longestSendingPauseMs: number;
  readonly readers: Readonly<Record<string, ReaderFigures>>;
  readonly lost: number;
  readonly duplicated: number;
  readonly outOfOrder: number;
  readonly longestPauseMs: number;
}

/** Keeps the books: what was acknowledged to whom, and what came up where. */
export class Ledger {
  readonly #acknowledged = new Map<string, Map<number, number>>();
  /** Event ids by `author count`. */
  readonly #eventIds = new Map<string, string>();
  readonly #sightings = new Map<string, Sighting[]>();
  readonly #excused: [from: number, to: number][] = [];

  /** @param people who write, and read each other */
  constructor(private readonly people: readonly string[]) {
    for (const person of people) {
      this.#acknowledged.set(person, new Map());
      this.#sightings.set(person, []);
    }
  }

  /** The server has promised to keep the message. */
  acknowledged(author: string, count: number, eventId: string, at: number): void {
    this.#acknowledged.get(author)!.set(count, at);
    this.#eventIds.set(`${author} ${count}`, eventId);
  }

  /** The message stands in the reader's timeline and can be read. */
  shown(reader: string, sighting: Sighting): void {
    this.#sightings.get(reader)!.push(sighting);
  }

  /** The client has taken it out of the timeline again, for instance to put it in its place. */
  removed(reader: string, eventId: string): void {
    this.#sightings.set(reader, this.#sightings.get(reader)!.filter((sighting) => sighting.eventId !== eventId));
  }

  /** A pause over this time is nobody's fault, because no home was left. */
  excuse(from: number, to: number): void {
    this.#excused.push([from, to]);
  }

  countAcknowledged(author: string): number {
    return this.#acknowledged.get(author)!.size;
  }

  countSeen(reader: string): number {
    return new Set(this.#sightings.get(reader)!.map(({ author, count }) => `${author} ${count}`)).size;
  }

  /** Ids of the events that came up at a reader. */
  eventIds(reader: string): string[] {
    return this.#sightings.get(reader)!.map(({ eventId }) => eventId);
  }

  /** Whether everybody has seen all that was acknowledged. */
  isSettled(): boolean {
    return this.people.every((reader) => this.#missing(reader).length === 0);
  }

  /** What a reader has not seen: names such as `alice 12`, and the event ids that were acknowledged. */
  missing(reader: string): { name: string; eventId: string }[] {
    return this.#missing(reader).map((name) => ({ name, eventId: this.#eventIds.get(name)! }));
  }

  /** What came up more than once at a reader: names such as `alice 12`, each with the event ids under which it did. */
  repeated(reader: string): { name: string; eventIds: string[] }[] {
    const byName = Map.groupBy(this.#sightings.get(reader)!, ({ author, count }) => `${author} ${count}`);
    return [...byName].flatMap(([name, all]) => (all.length > 1 ? [{ name, eventIds: all.map(({ eventId }) => eventId) }] : []));
  }

  figures(): LedgerFigures {
    const readers = Object.fromEntries(this.people.map((reader) => [reader, this.#readerFigures(reader)]));
    const all = Object.values(readers);
    const sum = (of: (figures: ReaderFigures) => number): number => all.reduce((total, figures) => total + of(figures), 0);
    const sendingPauses = [...this.#acknowledged.values()].map((times) => this.#longestPause([...times.values()]));
    const longestSendingPauseMs = Math.max(0, ...sendingPauses);
    return {
      acknowledged: this.people.reduce((total, author) => total + this.countAcknowledged(author), 0),
      longestSendingPauseMs,
      readers,
      lost: sum((figures) => figures.lost),
      duplicated: sum((figures) => figures.duplicated),
      outOfOrder: sum((figures) => figures.outOfOrder),
      longestPauseMs: Math.max(longestSendingPauseMs, ...all.map((figures) => figures.longestPauseMs)),
    };
  }

  #readerFigures(reader: string): ReaderFigures {
    const sightings = this.#sightings.get(reader)!;
    const highest = new Map<string, number>();
    const known = new Set<string>();
    let duplicated = 0;
    let outOfOrder = 0;
    for (const { author, count } of sightings.toSorted((a, b) => a.place - b.place)) {
      const name = `${author} ${count}`;
      if (known.has(name)) {
        duplicated++;
        continue;
      }
      known.add(name);
      if (count < (highest.get(author) ?? 0)) outOfOrder++;
      else highest.set(author, count);
    }
    const ofOthers = sightings.filter(({ author }) => author !== reader).map(({ at }) => at);
    return { seen: known.size, lost: this.#missing(reader).length, duplicated, outOfOrder, longestPauseMs: this.#longestPause(ofOthers) };
  }

  #missing(reader: string): string[] {
    const seen = new Set(this.#sightings.get(reader)!.map(({ author, count }) => `${author} ${count}`));
    const all = this.people.flatMap((author) => [...this.#acknowledged.get(author)!.keys()].map((count) => `${author} ${count}`));
    return all.filter((name) => !seen.has(name));
  }

  #longestPause(times: readonly number[]): number {
    const sorted = times.toSorted((a, b) => a - b);
    let longest = 0;
    for (let i = 1; i < sorted.length; i++) {
      const [from, to] = [sorted[i - 1]!, sorted[i]!];
      if (!this.#excused.some(([start, end]) => from < end && start < to)) longest = Math.max(longest, to - from);
    }
    return longest;
  }
}
