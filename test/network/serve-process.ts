import { spawn, spawnSync, type ChildProcess, type SpawnSyncReturns } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.js';

const program = fileURLToPath(new URL('../../bin/partyline.js', import.meta.url));
const PASSWORD = 'a long password';

/** A server as an operator starts it: `partyline serve` in a process of its own, with a folder and a database of its own. */
export class ServeProcess {
  /** A folder for the test, deleted by `remove`. */
  readonly folder = mkdtempSync(join(tmpdir(), 'partyline-serve-'));
  dataDir = join(this.folder, 'data');
  /** Working folder of the server and of commands. */
  cwd = this.folder;
  /** Connection string of a database in place of one of its own. */
  database: string | undefined;
  /** Further settings of the server; commands do not have them. */
  settings: Record<string, string> = {};
  /** All that it has printed, on both outputs, since it was made. */
  output = '';
  #port = 0;
  #child: ChildProcess | null = null;

  constructor() {
    // The database's user has to pass through.
    chmodSync(this.folder, 0o755);
  }

  get port(): number {
    return this.#port;
  }

  get child(): ChildProcess {
    if (!this.#child) throw new Error('the server does not run');
    return this.#child;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    await this.launch();
    const child = this.child;
    const from = this.output.length;
    await new Promise<void>((resolve, reject) => {
      const look = (): void => void (/^listening .*[^]*Ctrl-C/m.test(this.output.slice(from)) && resolve());
      child.stdout!.on('data', look);
      child.once('exit', (code) => reject(new Error(`exit ${code}: ${this.output.slice(from)}`)));
    });
  }

  /** Starts it and does not wait. */
  async launch(): Promise<void> {
    this.#port ||= await freePort();
    const child = spawn(process.execPath, [program, 'serve'], { cwd: this.cwd, env: this.#environment(this.settings), stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (this.output += String(chunk)));
    this.#child = child;
  }

  /** What a start says on stderr that does not succeed. */
  async fails(): Promise<string> {
    await this.launch();
    const child = this.child;
    this.#child = null;
    let said = '';
    child.stderr!.on('data', (chunk) => (said += String(chunk)));
    const [code] = (await once(child, 'close')) as [number];
    if (code === 0) throw new Error(`it ended with status 0: ${said}`);
    return said;
  }

  /** @returns exit status */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (!child) return null;
    if (child.exitCode !== null) return child.exitCode;
    child.kill(signal);
    return ((await once(child, 'exit')) as [number | null])[0];
  }

  /** Ends it and deletes its folder. */
  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.#port}${path}`, init);
  }

  /** `partyline admin …`, which knows the data folder unless `settings` says otherwise. */
  admin(args: readonly string[], options: { input?: string; cwd?: string; settings?: Record<string, string | undefined> } = {}): SpawnSyncReturns<string> {
    return spawnSync(process.execPath, [program, 'admin', ...args], {
      cwd: options.cwd ?? this.cwd,
      env: { ...this.#environment({}), ...options.settings },
      input: options.input ?? '',
      encoding: 'utf8',
    });
  }

  async createUser(name: string): Promise<void> {
    const { status, stderr } = this.admin(['create-user', name, '--password-stdin'], { input: `${PASSWORD}\n` });
    if (status !== 0) throw new Error(stderr);
  }

  /** @returns status of the answer */
  async login(user: string, password = PASSWORD): Promise<number> {
    return (await this.#login(user, password)).status;
  }

  /** Headers of a new session. */
  async session(user: string): Promise<Record<string, string>> {
    const { access_token: token } = (await (await this.#login(user, PASSWORD)).json()) as { access_token: string };
    return { authorization: `Bearer ${token}` };
  }

  #login(user: string, password: string): Promise<Response> {
    return this.fetch('/_matrix/client/v3/login', {
      method: 'POST',
      body: JSON.stringify({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password }),
    });
  }

  #environment(settings: Record<string, string>): NodeJS.ProcessEnv {
    return {
      PATH: process.env['PATH'],
      PARTYLINE_DATA_DIR: this.dataDir,
      PARTYLINE_HTTP_PORT: String(this.#port),
      PARTYLINE_PASSWORD_COST: 'cheap',
      DATABASE_URL: this.database,
      ...settings,
    };
  }
}
