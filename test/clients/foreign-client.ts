import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { eventually } from '../network/eventually.js';
import type { Json } from '../network/test-client.js';

const WAIT_MS = 60_000;

/** A message as such a client shows it. */
export interface ForeignMessage {
  readonly room: string;
  readonly sender: string;
  readonly event: string;
  readonly type: string;
  readonly text: string;
  readonly count: number | null;
  readonly encrypted: boolean;
}

/**
 * A Matrix client that is no JavaScript, as a process that takes orders: a line of JSON each way. What it understands is written at the
 * head of `nio/client.py`.
 */
export class ForeignClient {
  readonly shown: ForeignMessage[] = [];
  readonly unreadable: Json[] = [];
  readonly #waiting = new Map<number, (line: Json) => void>();
  readonly #child: ChildProcessWithoutNullStreams;
  #orders = 0;
  #complaints = '';

  constructor(command: readonly [string, ...string[]]) {
    this.#child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child.stderr.on('data', (text: Buffer) => (this.#complaints += text.toString()));
    this.#child.once('close', () => {
      for (const answer of this.#waiting.values()) answer({ error: `the client has ended: ${this.#complaints.slice(-2_000)}` });
    });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#said(JSON.parse(line)));
  }

  /** @throws what the client says is wrong */
  async order(what: string, order: Json = {}): Promise<Json> {
    const id = ++this.#orders;
    const answered = new Promise<Json>((resolve) => this.#waiting.set(id, resolve));
    this.#child.stdin.write(`${JSON.stringify({ id, do: what, ...order })}\n`);
    const { ok, error } = await answered;
    this.#waiting.delete(id);
    if (error !== undefined) throw new Error(`${what}: ${error}`);
    return ok;
  }

  /** Resolves when the client has shown this message. */
  async shows(text: string): Promise<ForeignMessage> {
    return eventually(() => {
      const message = this.shown.find((one) => one.text === text);
      if (!message) throw new Error(`"${text}" is not shown; cannot be read: ${JSON.stringify(this.unreadable)}; ${this.#complaints.slice(-2_000)}`);
      return message;
    }, WAIT_MS);
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const closed = once(this.#child, 'close');
    this.#child.stdin.end();
    await closed;
  }

  #said(line: Json): void {
    if (line.message) this.shown.push(line.message);
    else if (line.unreadable) this.unreadable.push(line.unreadable);
    else this.#waiting.get(line.id)?.(line);
  }
}
