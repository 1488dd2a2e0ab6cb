import { createHmac } from 'node:crypto';
import { parseJson } from '#json';
import { loadConfig, type Settings } from '../config/load-config.js';
import { registrationSecret } from '../config/registration-secret.js';
import { Log } from '../observability/log.js';
import { Random } from '../observability/random.js';
import { startServer } from '../server.js';
import { openEnvironment } from './environment.js';

const NONCE_ROUTE = '/_synapse/admin/v1/register';
const TIMEOUT_MS = 10_000;

/** Asks a server in the name of its operator, who knows its secret. */
export class OperatorRequests {
  constructor(
    private readonly url: string,
    private readonly secret: string,
  ) {}

  /** @param words what the MAC covers besides the nonce */
  async post(path: string, words: readonly string[], body: object = {}): Promise<Record<string, unknown>> {
    const { nonce } = await this.#call(NONCE_ROUTE);
    const mac = createHmac('sha1', this.secret).update([nonce, ...words].join('\0')).digest('hex');
    return this.#call(path, { ...body, nonce, mac });
  }

  async #call(path: string, body?: object): Promise<Record<string, unknown>> {
    const response = await fetch(`${this.url}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json' },
      body: body ? JSON.stringify(body) : undefined,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const answer = parseJson(await response.text()) as Record<string, unknown> & { error?: string };
    if (!response.ok) throw new Error(answer.error ?? `The server answered ${response.status}.`);
    return answer;
  }
}

/** Lets `work` ask the running server or, when none runs, one that is started for it, without public sockets. */
export async function asOperator<T>(work: (requests: OperatorRequests) => Promise<T>): Promise<T> {
  const settings = loadConfig(process.env, process.cwd());
  const running = `http://localhost:${settings.httpPort}`;
  if (await answers(running)) return work(new OperatorRequests(running, secretOf(settings)));
  const environment = await openEnvironment(settings, (what) => void process.stderr.write(`${what} …\n`));
  try {
    const config = Object.freeze({ ...environment.config, bind: ['127.0.0.1'], httpPort: 0, httpsPort: null });
    const server = await startServer(config, { log: new Log('warn') });
    try {
      return await work(new OperatorRequests(`http://127.0.0.1:${server.httpPort}`, config.registrationSecret!));
    } finally {
      await server.stop();
    }
  } finally {
    await environment.close();
  }
}

function secretOf(settings: Settings): string {
  return settings.registrationSecret ?? registrationSecret(settings.dataDir, new Random());
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}${NONCE_ROUTE}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}
