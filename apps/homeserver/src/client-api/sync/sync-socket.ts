import { once } from 'node:events';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { parseJson } from '#json';

const PING_MS = 30_000;
/** A client that does not acknowledge a frame for so long is gone. */
const ACKNOWLEDGE_MS = 120_000;
/** Wait of one turn; what ends without news is not sent. */
const TURN_MS = 240_000;

/** Frames that are looked away from while the connection closes. */
const MAX_LATE_FRAMES = 100;

const acknowledgement = z.object({ since: z.string().max(512) });

/** What of the frames that are on their way may be held for the account; see `ByteBudget`. */
export interface FrameBudget {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** One turn of sync: from a token (null: from the start), for so many milliseconds. */
export type SyncTurn = (since: string | null, timeoutMs: number, signal: AbortSignal) => Promise<{ text: string; isEmpty: boolean }>;

/**
 * One client on a WebSocket. A frame goes out only after the one before was acknowledged with `{"since": <its
 * next_batch>}`, so that a slow client is never sent more than it takes.
 */
export class SyncSocket {
  readonly #closed = new AbortController();
  readonly #ping: NodeJS.Timeout;
  #isAlive = true;
  #isClosing = false;
  #lateFrames = 0;
  /** An acknowledgement that has come and was not asked for yet, and who asks for one. */
  #received: string | null = null;
  #asking: ((since: string) => void) | null = null;

  constructor(private readonly socket: WebSocket) {
    socket.on('message', (data, isBinary) => this.#onMessage(isBinary ? '' : String(data as Buffer)));
    socket.on('pong', () => (this.#isAlive = true));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => {
      clearInterval(this.#ping);
      this.#closed.abort();
    });
    this.#ping = setInterval(() => this.#sendPing(), PING_MS);
    this.#ping.unref();
  }

  /** Sends answers until the connection ends. Rejects with what a turn throws. */
  async run(turn: SyncTurn, start: string | null, budget: FrameBudget): Promise<void> {
    let since = start;
    while (!this.#closed.signal.aborted) {
      const { text, isEmpty } = await turn(since, TURN_MS, this.#closed.signal);
      if (this.#closed.signal.aborted) return;
      // A first frame goes out in any case: it says that the connection works.
      if (isEmpty && since !== start) continue;
      const bytes = Buffer.byteLength(text);
      if (!budget.take(bytes)) return this.close(4429);
      this.socket.send(text);
      const next = await this.#nextAcknowledgement().finally(() => budget.give(bytes));
      if (next === null) return;
      since = next;
      start = null;
    }
  }

  close(code: number): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.socket.close(code);
    // A client that does not answer the close is dropped.
    const drop = setTimeout(() => this.socket.terminate(), 5_000);
    drop.unref();
    void once(this.socket, 'close').then(() => clearTimeout(drop), () => undefined);
  }

  terminate(): void {
    this.socket.terminate();
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
        this.#closed.signal.removeEventListener('abort', onClose);
        this.#asking = null;
        resolve(since);
      };
      const onClose = (): void => settle(null);
      const timer = setTimeout(() => {
        this.close(4408);
        settle(null);
      }, ACKNOWLEDGE_MS);
      timer.unref();
      this.#closed.signal.addEventListener('abort', onClose);
      this.#asking = settle;
    });
  }

  #onMessage(text: string): void {
    if (this.#isClosing) {
      if (++this.#lateFrames > MAX_LATE_FRAMES) this.socket.terminate();
      return;
    }
    const parsed = acknowledgement.safeParse(jsonOf(text));
    if (!parsed.success) return this.close(4400);
    if (this.#asking) this.#asking(parsed.data.since);
    // One frame is out at most, so there is one acknowledgement to wait with.
    else if (this.#received === null) this.#received = parsed.data.since;
    else this.close(4429);
  }

  #sendPing(): void {
    if (!this.#isAlive) return this.socket.terminate();
    this.#isAlive = false;
    this.socket.ping();
  }
}

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return undefined;
  }
}
