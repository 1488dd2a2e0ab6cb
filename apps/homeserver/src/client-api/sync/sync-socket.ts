import { z } from 'zod';
import { ClientSocket, type FrameBudget } from './client-socket.js';

/** A client that does not acknowledge a frame for so long is gone. */
const ACKNOWLEDGE_MS = 120_000;
/** Wait of one turn; what ends without news is not sent. */
const TURN_MS = 240_000;

const acknowledgement = z.object({ since: z.string().max(512) });

/** One turn of sync: from a token (null: from the start), for so many milliseconds. */
export type SyncTurn = (since: string | null, timeoutMs: number, signal: AbortSignal) => Promise<{ text: string; isEmpty: boolean }>;

/**
 * One client on a WebSocket. A frame goes out only after the one before was acknowledged with `{"since": <its
 * next_batch>}`, so that a slow client is never sent more than it takes.
 */
export class SyncSocket extends ClientSocket {
  /** An acknowledgement that has come and was not asked for yet, and who asks for one. */
  #received: string | null = null;
  #asking: ((since: string) => void) | null = null;

  /** Sends answers until the connection ends. Rejects with what a turn throws. */
  async run(turn: SyncTurn, start: string | null, budget: FrameBudget): Promise<void> {
    let since = start;
    while (!this.closed.aborted) {
      const { text, isEmpty } = await turn(since, TURN_MS, this.closed);
      if (this.closed.aborted) return;
      // A first frame goes out in any case: it says that the connection works.
      if (isEmpty && since !== start) continue;
      const bytes = Buffer.byteLength(text);
      if (this.isBehind || !budget.take(bytes)) return this.close(4429);
      this.send(text);
      const next = await this.#nextAcknowledgement().finally(() => budget.give(bytes));
      if (next === null) return;
      since = next;
      start = null;
    }
  }

  /** The token that the client has received; null when the connection ended first. */
  #nextAcknowledgement(): Promise<string | null> {
    if (this.#received !== null) {
      const since = this.#received;
      this.#received = null;
      return Promise.resolve(since);
    }
    return new Promise((resolve) => {
      const settle = (since: string | null): void => {
        clearTimeout(timer);
        this.closed.removeEventListener('abort', onClose);
        this.#asking = null;
        resolve(since);
      };
      const onClose = (): void => settle(null);
      const timer = setTimeout(() => {
        this.close(4408);
        settle(null);
      }, ACKNOWLEDGE_MS);
      timer.unref();
      this.closed.addEventListener('abort', onClose);
      this.#asking = settle;
    });
  }

  protected override received(value: unknown): void {
    const parsed = acknowledgement.safeParse(value);
    if (!parsed.success) return this.close(4400);
    if (this.#asking) this.#asking(parsed.data.since);
    // One frame is out at most, so there is one acknowledgement to wait with.
    else if (this.#received === null) this.#received = parsed.data.since;
    else this.close(4429);
  }
}
