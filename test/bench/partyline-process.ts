import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { ScratchDatabase } from './scratch-database.ts';

const program = join(import.meta.dirname, '..', '..', 'bin', 'partyline.js');
const secret = randomBytes(16).toString('hex');

/** The first start may fetch dependencies and build. */
const startTimeoutMs = 300_000;
const stopTimeoutMs = 15_000;

/**
 * A Partyline of our own, as an operator would start it, on a throwaway data folder: rate limits off, and cheap password
 * hashing, because the registration figure is about the server and not about a hash that is slow on purpose.
 */
export class PartylineProcess {
  readonly secret = secret;
  readonly #dataDir: string;
  readonly #scratch: ScratchDatabase | null;
  readonly #interrupt: AbortSignal;
  #child: ChildProcess | null = null;
  #url = '';
  #startMs = 0;

  private constructor(dataDir: string, scratch: ScratchDatabase | null, interrupt: AbortSignal) {
    this.#dataDir = dataDir;
    this.#scratch = scratch;
    this.#interrupt = interrupt;
  }

  /**
   * Starts the server and resolves when it listens.
   * @param clusterUrl a PostgreSQL in which a scratch database is made; null lets the server run its own
   * @param interrupt ends the server, also while it is starting
   * @throws Error with the server's last lines when it ends or says nothing for five minutes
   */
  static async start(clusterUrl: string | null, interrupt: AbortSignal): Promise<PartylineProcess> {
    const scratch = clusterUrl === null ? null : await ScratchDatabase.create(clusterUrl);
    const dataDir = mkdtempSync(join(tmpdir(), 'partyline-bench-'));
    // The private cluster runs as another user when we are root, and must be able to enter.
    chmodSync(dataDir, 0o755);
    const server = new PartylineProcess(dataDir, scratch, interrupt);
    try {
      await server.#spawn('0');
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Base URL of its plain HTTP listener. */
  get url(): string {
    return this.#url;
  }

  /** From the last spawn to its `listening` line, in milliseconds. */
  get startMs(): number {
    return this.#startMs;
  }

  get databaseUrl(): string | null {
    return this.#scratch?.url ?? null;
  }

  /** Process id of the launcher; the server is it or below it. */
  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Stops it and starts it again on the same port and data; resolves with the milliseconds the start took. */
  async restart(): Promise<number> {
    await this.#end();
    await this.#spawn(new URL(this.#url).port);
    return this.#startMs;
  }

  /** Starts another one on an empty data folder, with a PostgreSQL of its own, and ends it; milliseconds of the start. */
  async firstStart(): Promise<number> {
    const other = await PartylineProcess.start(null, this.#interrupt);
    await other.stop();
    return other.startMs;
  }

  /** Stops it and removes all that it stored. */
  async stop(): Promise<void> {
    await this.#end();
    rmSync(this.#dataDir, { recursive: true, force: true });
    await this.#scratch?.drop();
  }

  async #spawn(port: string): Promise<void> {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      PARTYLINE_DATA_DIR: join(this.#dataDir, 'data'),
      PARTYLINE_BIND: '127.0.0.1',
      PARTYLINE_HTTP_PORT: port,
      PARTYLINE_SERVER_NAME: 'localhost',
      PARTYLINE_RATE_LIMITS: 'off',
      PARTYLINE_REGISTRATION_SECRET: secret,
      PARTYLINE_PASSWORD_COST: 'cheap',
      ...(this.#scratch === null ? {} : { DATABASE_URL: this.#scratch.url }),
    };
    if (this.#scratch === null) delete env['DATABASE_URL'];
    const started = performance.now();
    // A group of its own: Ctrl-C reaches the benchmark only, which then stops the server in order.
    const child = spawn(process.execPath, [program, 'serve'], {
      env, stdio: ['ignore', 'pipe', 'pipe'], detached: true, signal: this.#interrupt,
    });
    this.#child = child;
    this.#url = await listeningUrl(child);
    this.#startMs = performance.now() - started;
  }

  async #end(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const group = child.pid;
    const force = setTimeout(() => process.kill(-group, 'SIGKILL'), stopTimeoutMs);
    await exit;
    clearTimeout(force);
  }
}

/** Waits for `listening http://…` and goes on reading, so that the pipes never fill. */
async function listeningUrl(child: ChildProcess): Promise<string> {
  const lastLines: string[] = [];
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => reject(new Error(`Partyline ${reason}\n${lastLines.join('\n')}`));
    const timer = setTimeout(() => fail('does not listen'), startTimeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue;
      createInterface({ input: stream }).on('line', (line) => {
        lastLines.push(line);
        if (lastLines.length > 30) lastLines.shift();
        const url = /\blistening\b.*?(http:\/\/[^\s"/]+)/.exec(line)?.[1];
        if (url === undefined) return;
        clearTimeout(timer);
        resolve(url);
      });
    }
    child.once('error', (error) => fail(`cannot be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      fail(`ended with ${signal ?? code}`);
    });
  });
}
