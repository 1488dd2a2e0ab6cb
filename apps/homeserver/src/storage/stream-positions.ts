import { Injectable } from '@nestjs/common';
import { streamNames, type StreamName } from '../bus/bus.js';
import { Database, statement } from './database.js';

/** Numbers are reserved in blocks of this size; a restart skips what is left of a block. 2^53 lasts for 9 billion restarts. */
const BLOCK = 1_000_000;

const reserve = statement(
  'sequences.reserve',
  `INSERT INTO sequences (name, reserved) VALUES ($1, $2)
   ON CONFLICT (name) DO UPDATE SET reserved = sequences.reserved + $2 RETURNING reserved`,
);

/**
 * Numbers that only ever rise, over restarts too, although rows that carry them may be deleted, and that cost no query
 * each: blocks are reserved in the database, numbers are handed out from memory.
 */
class Sequence {
  #last = 0;
  #limit = 0;
  #extending: Promise<void> | null = null;

  constructor(
    private readonly db: Database,
    private readonly name: string,
  ) {}

  async open(): Promise<void> {
    const reserved = await this.#reserve();
    this.#limit = reserved;
    this.#last = reserved - BLOCK;
  }

  next(): number {
    if (this.#last >= this.#limit) throw new Error(`sequence ${this.name} is used up`);
    this.#last++;
    if (this.#limit - this.#last < BLOCK / 2) {
      this.#extending ??= this.#reserve().then(
        (reserved) => {
          // Another process cannot share the sequence, so the new block follows the old one.
          this.#limit = reserved;
          this.#extending = null;
        },
        () => {
          this.#extending = null;
        },
      );
    }
    return this.#last;
  }

  /** Goes on in a new block, after something else has raised what is reserved. */
  async reopen(): Promise<void> {
    await this.#extending;
    const reserved = await this.#reserve();
    this.#last = Math.max(this.#last, reserved - BLOCK);
    this.#limit = reserved;
  }

  /** Leaves numbers out, or fewer of them when the block that is reserved runs short. */
  skip(count: number): void {
    this.#last = Math.max(this.#last, Math.min(this.#last + count, this.#limit - BLOCK / 4));
  }

  get last(): number {
    return this.#last;
  }

  async #reserve(): Promise<number> {
    const [row] = await this.db.query<{ reserved: number }>(reserve, [this.name, BLOCK]);
    return row!.reserved;
  }
}

/** Names of the sequences that number rows rather than stream positions. */
const idNames = ['event_nid', 'state_nid', 'room_nid'] as const;
type IdName = (typeof idNames)[number];

/**
 * The positions of all streams of this process, and the numeric ids of rows. Each stream has one writer at a time (see
 * StreamWriter and rooms/pipeline/commit), so that `current` is a watermark: everything up to it is committed and readable.
 * Injectable only after `open()` (the core module's factory awaits it).
 */
@Injectable()
export class StreamPositions {
  readonly #sequences = new Map<string, Sequence>();
  readonly #committed = new Map<StreamName, number>();

  constructor(private readonly db: Database) {}

  async open(): Promise<this> {
    for (const name of [...streamNames, ...idNames]) {
      const sequence = new Sequence(this.db, name);
      await sequence.open();
      this.#sequences.set(name, sequence);
    }
    for (const name of streamNames) this.#committed.set(name, this.#sequences.get(name)!.last);
    return this;
  }

  /** The next position; only the stream's writer calls it. */
  next(stream: StreamName): number {
    return this.#sequences.get(stream)!.next();
  }

  /** The next position with unused ones below it, for what may be found later and belongs there. */
  nextAfterGap(stream: StreamName, size: number): number {
    const sequence = this.#sequences.get(stream)!;
    sequence.skip(size);
    return sequence.next();
  }

  nextId(name: IdName): number {
    return this.#sequences.get(name)!.next();
  }

  /** Goes on above numbers that were left out in the database, after a restore that was noticed late. */
  async reopen(): Promise<void> {
    for (const sequence of this.#sequences.values()) await sequence.reopen();
  }

  /** The highest position that was given, whether it is committed or not. */
  given(stream: StreamName): number {
    return this.#sequences.get(stream)!.last;
  }

  /** Called by the stream's writer after the commit, with rising positions. */
  commit(stream: StreamName, pos: number): void {
    if (pos > this.current(stream)) this.#committed.set(stream, pos);
  }

  /** Highest committed position. At the start it is above everything that was ever written. */
  current(stream: StreamName): number {
    return this.#committed.get(stream) ?? 0;
  }
}
