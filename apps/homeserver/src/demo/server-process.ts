import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { within } from './within.js';

const START_TIMEOUT_MS = 90_000;
const STOP_TIMEOUT_MS = 10_000;
const KEPT_LINES = 40;

export interface ServerPlan {
  /** What people call it, e.g. `A`. */
  readonly label: string;
  /** Domain of its names. */
  readonly serverName: string;
  /** Base URL of its plain HTTP address, without trailing slash. */
  readonly url: string;
  /** Script that Node runs; it prints `listening …` when it takes requests. */
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** A server in a process of its own, which can be killed, frozen and started again on its data. */
export class ServerProcess {
  #child: ChildProcess | null = null;
  #lines: string[] = [];

  constructor(private readonly plan: ServerPlan) {}

  get label(): string {
    return this.plan.label;
  }

  get serverName(): string {
    return this.plan.serverName;
  }

  get url(): string {
    return this.plan.url;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  /** The last lines that it printed. */
  get lastLines(): readonly string[] {
    return this.#lines;
  }

  /** Resolves when it listens. @throws Error with its last lines */
  async start(): Promise<void> {
    if (this.#child) return;
    this.#lines = [];
    // The channel lets the server notice when this process is killed, and end.
    const child = spawn(process.execPath, [...this.plan.command], {
      env: { PATH: process.env['PATH'] ?? '', ...this.plan.environment },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Ctrl-C is for this process, which then ends the servers in order.
      detached: true,
    });
    child.on('error', () => undefined);
    this.#child = child;
    const ended = once(child, 'exit').then(() => {
      if (this.#child === child) this.#child = null;
      throw new Error(`server ${this.label} ended while it started:\n${this.#lines.join('\n')}`);
    });
    ended.catch(() => undefined);
    await within(START_TIMEOUT_MS, `server ${this.label} to listen`, Promise.race([this.#listening(child), ended]));
  }

  /** kill -9: nothing is flushed, nobody is told. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** Asks it to end, as the service manager of a machine does. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  /** A message over the channel, for servers that listen to one. */
  tell(message: object): void {
    this.#child?.send(message);
  }

  /** Resolves when the process is no more, whoever ended it. */
  async gone(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  /** SIGSTOP: it hangs. Its sockets stay open and are accepted by the system. */
  freeze(): void {
    this.#child?.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill(signal);
    const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exit;
    clearTimeout(force);
  }

  #listening(child: ChildProcess): Promise<void> {
    return new Promise((resolve) => {
      for (const stream of [child.stdout, child.stderr]) {
        // The pipes are read to the end, so that they never fill.
        createInterface({ input: stream! }).on('line', (line) => {
          this.#lines.push(line);
          if (this.#lines.length > KEPT_LINES) this.#lines.shift();
          if (/^listening\b/.test(line)) resolve();
        });
      }
    });
  }
}
