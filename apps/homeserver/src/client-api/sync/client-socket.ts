import { once } from 'node:events';
import type { WebSocket } from 'ws';
import { parseJson } from '#json';

const PING_MS = 30_000;
/** Bytes that may wait for a client that says that it has received what is before them. */
const MAX_UNREAD_BYTES = 1024 * 1024;
/** Frames that are looked away from while the connection closes. */
const MAX_LATE_FRAMES = 100;

/** What of the frames that are on their way may be held for the account; see `ByteBudget`. */
export interface FrameBudget {
  take(bytes: number): boolean;
  give(bytes: number): void;
}

/** One client on a WebSocket: whether it is there, what it says, and how it is left. */
export abstract class ClientSocket {
  readonly #closed = new AbortController();
  readonly #ping: NodeJS.Timeout;
  #isAlive = true;
  #isClosing = false;
  #lateFrames = 0;

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

  /** Aborted when the connection has ended. */
  protected get closed(): AbortSignal {
    return this.#closed.signal;
  }

  /** @param value what the frame is as JSON; undefined for what is none */
  protected abstract received(value: unknown): void;

  /** Whether the client has asked for more although it does not read what it was sent. */
  protected get isBehind(): boolean {
    return this.socket.bufferedAmount > MAX_UNREAD_BYTES;
  }

  protected send(text: string): void {
    this.socket.send(text);
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

  #onMessage(text: string): void {
    if (!this.#isClosing) return this.received(jsonOf(text));
    if (++this.#lateFrames > MAX_LATE_FRAMES) this.socket.terminate();
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
