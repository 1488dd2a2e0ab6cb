import { EventEmitter } from 'node:events';
import { jest } from '@jest/globals';
import type { WebSocket } from 'ws';
import { SyncSocket, type SyncTurn } from './sync-socket.js';

/** The other end of a connection, as far as a server sees it. */
class Client extends EventEmitter {
  readonly sent: string[] = [];
  code: number | null = null;
  isTerminated = false;

  send(text: string): void {
    this.sent.push(text);
  }

  /** Answers pings when it is told to; never answers a close. */
  ping(): void {
    this.emit('ping');
  }

  close(code: number): void {
    this.code ??= code;
  }

  terminate(): void {
    if (this.isTerminated) return;
    this.isTerminated = true;
    this.emit('close');
  }

  says(text: string): void {
    this.emit('message', Buffer.from(text), false);
  }
}

let client: Client;
let socket: SyncSocket;
let held = 0;
const budget = (max = Infinity) => ({
  take: (bytes: number) => held + bytes <= max && ((held += bytes), true),
  give: (bytes: number) => void (held -= bytes),
});
const turn: SyncTurn = async (since) => ({ text: `after ${since}`, isEmpty: false });

beforeEach(() => {
  jest.useFakeTimers();
  held = 0;
  client = new Client();
  socket = new SyncSocket(client as unknown as WebSocket);
});
afterEach(() => {
  client.terminate();
  jest.useRealTimers();
});

describe('a socket of a client', () => {
  it('that floods is looked away from, and dropped', () => {
    for (let i = 0; i < 90; i++) client.says('nonsense');
    expect(client.code).toBe(4400);
    expect(client.listenerCount('close')).toBeLessThan(5);
    expect(client.isTerminated).toBe(false);
    for (let i = 0; i < 20; i++) client.says('nonsense');
    expect(client.isTerminated).toBe(true);
  });

  it('that does not answer the close is dropped after five seconds', async () => {
    client.says('nonsense');
    await jest.advanceTimersByTimeAsync(5_000);
    expect(client.isTerminated).toBe(true);
  });

  it('that is half open is dropped after two pings', async () => {
    await jest.advanceTimersByTimeAsync(30_000);
    client.emit('pong');
    await jest.advanceTimersByTimeAsync(59_000);
    expect(client.isTerminated).toBe(false);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(client.isTerminated).toBe(true);
  });

  it('that does not read gets one frame, whose bytes are counted until it is gone', async () => {
    const run = socket.run(turn, null, budget());
    await jest.advanceTimersByTimeAsync(20_000);
    expect(client.sent).toEqual(['after null']);
    expect(held).toBe(10);
    client.terminate();
    await run;
    expect(held).toBe(0);
  });

  it('that acknowledges goes on, unless too much is held already', async () => {
    const run = socket.run(turn, null, budget(10));
    await jest.advanceTimersByTimeAsync(0);
    client.says('{"since":"one"}');
    await jest.advanceTimersByTimeAsync(0);
    expect(client.sent).toEqual(['after null', 'after one']);
    held += 5;
    client.says('{"since":"two"}');
    await jest.advanceTimersByTimeAsync(0);
    expect(client.code).toBe(4429);
    await run;
  });
});
