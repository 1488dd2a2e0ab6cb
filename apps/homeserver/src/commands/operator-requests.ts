import { createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Pool } from 'undici';
import { parseJson } from '#json';
import { loadConfig, type Settings } from '../config/load-config.js';
import { SETTINGS_FILE } from '../config/settings-file.js';
import { Log } from '../observability/log.js';
import { migrationsFolder, startServer } from '../server.js';
import { openEnvironment } from './environment.js';
import { OperatorDoor, readEntrance, type OperatorEntrance } from './operator-door.js';

const NONCE_ROUTE = '/_synapse/admin/v1/register';
const TIMEOUT_MS = 10_000;

/** Asks a server in the name of its operator, who knows its secret and can open its socket. */
export class OperatorRequests {
  readonly #pool: Pool;

  constructor(private readonly entrance: OperatorEntrance) {
    this.#pool = new Pool('http://localhost', { connect: { socketPath: entrance.socket } });
  }

  /** @param words what the MAC covers besides the nonce */
  async post(path: string, words: readonly string[], body: object = {}): Promise<Record<string, unknown>> {
    const { nonce } = await this.#call(NONCE_ROUTE);
    const mac = createHmac('sha1', this.entrance.secret).update([nonce, ...words].join('\0')).digest('hex');
    return this.#call(path, { ...body, nonce, mac });
  }

  /** False when nobody listens at the socket: the server that told of it was killed. */
  async isAnswered(): Promise<boolean> {
    try {
      await this.#call(NONCE_ROUTE);
      return true;
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (code === 'ECONNREFUSED' || code === 'ENOENT') return false;
      throw error;
    }
  }

  async #call(path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await this.#pool.request({
      method: body ? 'POST' : 'GET',
      path,
      headers: { 'content-type': 'application/json' },
      body: body ? JSON.stringify(body) : null,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = parseJson(await response.body.text()) as Record<string, unknown> & { error?: string };
    if (response.statusCode >= 300) throw new Error(answer.error ?? `The server answered ${response.statusCode}.`);
    return answer;
  }
}

/** Lets `work` ask the running server or, when none runs, one that is started for it, without public sockets. */
export async function asOperator<T>(work: (requests: OperatorRequests) => Promise<T>): Promise<T> {
  const settings = settingsOfServer();
  const running = await runningServer(settings.dataDir);
  if (running) return work(running);
  if (!existsSync(settings.dataDir) && (process.env['PARTYLINE_DATA_DIR'] ?? '') === '' && settings.databaseUrl === null) {
    throw new Error(`There is no server in ${settings.dataDir}. Run this in the folder that the server is started in, or set PARTYLINE_DATA_DIR.`);
  }
  const environment = await openEnvironment(settings, { progress: (what) => void process.stderr.write(`${what} …\n`) });
  try {
    const config = Object.freeze({ ...environment.config, bind: [], httpsPort: null });
    const { socket } = OperatorDoor.of(config);
    const server = await startServer(config, { log: new Log('warn'), operatorSocket: socket, lock: environment.lock });
    try {
      return await work(new OperatorRequests({ socket, secret: config.registrationSecret! }));
    } finally {
      await server.stop();
    }
  } finally {
    await environment.close();
  }
}

/** Asks the running server only. @throws Error when none runs */
export async function asOperatorOfRunning<T>(work: (requests: OperatorRequests) => Promise<T>): Promise<T> {
  const { dataDir } = settingsOfServer();
  const running = await runningServer(dataDir);
  if (!running) throw new Error(`No server runs on the data folder ${dataDir}.`);
  return work(running);
}

async function runningServer(dataDir: string): Promise<OperatorRequests | undefined> {
  const entrance = readEntrance(dataDir);
  const requests = entrance && new OperatorRequests(entrance);
  return requests && (await requests.isAnswered()) ? requests : undefined;
}

/** Of this folder; of the program's own, where `npm start` runs, when neither settings nor data are here. */
function settingsOfServer(): Settings {
  const here = process.cwd();
  const own = resolve(migrationsFolder(), '..');
  const isHome = (folder: string): boolean => existsSync(join(folder, SETTINGS_FILE)) || existsSync(join(folder, 'data'));
  const isTold = (process.env['PARTYLINE_DATA_DIR'] ?? '') !== '';
  return loadConfig(process.env, !isTold && !isHome(here) && isHome(own) ? own : here);
}
