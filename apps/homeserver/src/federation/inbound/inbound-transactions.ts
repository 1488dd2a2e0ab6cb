import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FairSlots, fairLimits } from '../outgoing/fair-slots.js';
import { ByteBudget } from '../../http/byte-budget.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { EduHandlers } from '../edu-handlers.js';
import { PduReceiver, type PduResults } from '../pdu-receiver.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Limits of the specification (server-server API, §Transactions). */
export const MAX_PDUS = 50;
export const MAX_EDUS = 100;

export interface Transaction {
  readonly pdus: readonly unknown[];
  readonly edus: readonly unknown[];
}

const MAX_ANSWERS = 5_000;
const MAX_ORIGINS_BUSY = 10_000;
/** Transactions of one origin that may wait for the one before; a proper sender has one in flight. */
const MAX_WAITING = 20;
/** Origins whose transactions are worked on at once, while their servers give what is asked of them on the way. */
const CONCURRENCY = 64;
/** Bytes of transactions that wait or are being worked on: of one origin, and of all. */
const MAX_BYTES_PER_ORIGIN = 32 * 1024 * 1024;
const MAX_BYTES = 128 * 1024 * 1024;
/** Parsed, a large one takes several times its size. */
const LARGE_BYTES = 512 * 1024;
const LARGE_AT_ONCE = 4;
/** Who keeps this server asking for longer is one of the slow ones. */
const SLOW_MS = 5_000;

/**
 * Takes other servers' transactions: one at a time per origin, so that events and EDUs keep their order, and each once. What is
 * remembered of the answers is bounded and lost with the process; events are recognised by their id even then.
 */
@Injectable()
export class InboundTransactions {
  /** Answers and runs by origin and transaction id. */
  readonly #answers = boundedCache<string, Promise<PduResults>>(MAX_ANSWERS);
  readonly #slots = new FairSlots(fairLimits(CONCURRENCY, { all: { quick: CONCURRENCY, fresh: 32, slow: 16, overdue: 512 }, waiting: MAX_ORIGINS_BUSY }), SLOW_MS);
  readonly #large = new FairSlots(fairLimits(LARGE_AT_ONCE, { all: { quick: LARGE_AT_ONCE, fresh: LARGE_AT_ONCE, slow: 1, overdue: LARGE_AT_ONCE } }), SLOW_MS);
  readonly #bytes = new ByteBudget(MAX_BYTES, MAX_BYTES_PER_ORIGIN);
  readonly #inOrder = new KeyedQueue();

  constructor(
    private readonly pdus: PduReceiver,
    private readonly edus: EduHandlers,
  ) {}

  /**
   * @param bytes size of the transaction's text
   * @param read parses the text, when it is its turn
   * @throws MatrixError 429 M_LIMIT_EXCEEDED when the origin sends faster than its transactions can be taken; what `read` throws
   */
  receive(origin: string, txnId: string, bytes: number, read: () => Promise<Transaction>): Promise<PduResults> {
    const key = JSON.stringify([origin, txnId]);
    const known = this.#answers.get(key);
    if (known) return known;
    const slots = bytes > LARGE_BYTES ? this.#large : this.#slots;
    const answer = this.#queue(origin, bytes, () => slots.run({ destination: origin }, async () => this.#process(origin, await read())));
    this.#answers.set(key, answer);
    // A failed run is no answer: the sender tries again with the same id.
    answer.catch(() => {
      if (this.#answers.peek(key) === answer) this.#answers.delete(key);
    });
    return answer;
  }

  async #queue<T>(origin: string, bytes: number, work: () => Promise<T>): Promise<T> {
    if (this.#inOrder.size(origin) >= MAX_WAITING || this.#inOrder.keys >= MAX_ORIGINS_BUSY || !this.#bytes.take(origin, bytes)) {
      throw new MatrixError(429, 'M_LIMIT_EXCEEDED', 'Too many transactions at once', { retry_after_ms: 1_000 });
    }
    try {
      return await this.#inOrder.run(origin, work);
    } finally {
      this.#bytes.give(origin, bytes);
    }
  }

  async #process(origin: string, { pdus, edus }: Transaction): Promise<PduResults> {
    // Side by side: events may have to wait for others to be fetched, and typing or keys should not.
    const [results] = await Promise.all([
      pdus.length > 0 ? this.pdus.receive(origin, pdus) : {},
      this.#handleEdus(origin, edus),
    ]);
    return results;
  }

  async #handleEdus(origin: string, edus: readonly unknown[]): Promise<void> {
    for (const edu of edus) await this.edus.handle(origin, edu);
  }
}
