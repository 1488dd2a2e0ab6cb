import { z } from 'zod';
import { MatrixError } from '../../errors/matrix-error.js';
import { ClientSocket, type FrameBudget } from '../sync/client-socket.js';

/** A client that does not ask again for so long after an answer is gone. */
const ACKNOWLEDGE_MS = 120_000;
/** Wait of one turn. */
const TURN_MS = 240_000;
/** Requests in a row of which each took the place of one that was not answered. */
const MAX_UNANSWERED = 20;

const bodySchema = z.record(z.string(), z.unknown());

type Body = z.output<typeof bodySchema>;

/** One turn: the answer to a body, after so many milliseconds at the latest. */
export type SlidingTurn = (body: Body, timeoutMs: number, signal: AbortSignal) => Promise<{ text: string }>;

/**
 * One client of sliding sync on a WebSocket. Each of its frames is a body as it would be posted, and each frame that it gets is an answer.
 * A frame with `pos` alone asks again for what was asked for last. A frame that comes before its answer takes the place of the one before,
 * as when a client gives up a request; so that what is sent is never more than one frame ahead of what the client has taken.
 */
export class SlidingSocket extends ClientSocket {
  #next: Body | null = null;
  #wake: (() => void) | null = null;
  /** Ends the turn that is running. */
  #turn: AbortController | null = null;
  #unanswered = 0;

  /** Answers until the connection ends. Rejects with what a turn throws, other than that a position is unknown. */
  async run(turn: SlidingTurn, budget: FrameBudget): Promise<void> {
    let last: Body = {};
    for (let held = 0; ;) {
      const next = await this.#request();
      if (held > 0) budget.give(held);
      held = 0;
      if (next === null) return;
      last = 'pos' in next && Object.keys(next).length === 1 ? { ...last, ...next } : next;
      const text = await this.#answer(turn, last);
      if (this.closed.aborted) return;
      // Another request has come meanwhile.
      if (text === null) continue;
      const bytes = Buffer.byteLength(text);
      if (this.isBehind || !budget.take(bytes)) return this.close(4429);
      held = bytes;
      this.#unanswered = 0;
      this.send(text);
    }
  }

  async #answer(turn: SlidingTurn, body: Body): Promise<string | null> {
    const superseded = (this.#turn = new AbortController());
    try {
      const { text } = await turn(body, TURN_MS, AbortSignal.any([this.closed, superseded.signal]));
      return superseded.signal.aborted ? null : text;
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_UNKNOWN_POS') throw error;
      return JSON.stringify({ errcode: error.errcode, error: error.message });
    } finally {
      this.#turn = null;
    }
  }

  /** The next request; null when the connection ended first. */
  async #request(): Promise<Body | null> {
    if (this.#next === null && !this.closed.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(() => {
          this.close(4408);
          this.#wake?.();
        }, ACKNOWLEDGE_MS);
        timer.unref();
        const settle = (): void => {
          clearTimeout(timer);
          this.closed.removeEventListener('abort', settle);
          this.#wake = null;
          resolve();
        };
        this.closed.addEventListener('abort', settle);
        this.#wake = settle;
      });
    }
    const next = this.#next;
    this.#next = null;
    return this.closed.aborted ? null : next;
  }

  protected override received(value: unknown): void {
    const parsed = bodySchema.safeParse(value);
    if (!parsed.success) return this.close(4400);
    if (++this.#unanswered > MAX_UNANSWERED) return this.close(4429);
    this.#next = parsed.data;
    this.#turn?.abort();
    this.#wake?.();
  }
}
