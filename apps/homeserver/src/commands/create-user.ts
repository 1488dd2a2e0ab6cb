import { createHmac } from 'node:crypto';
import { parseArgs } from 'node:util';
import { loadConfig, type Settings } from '../config/load-config.js';
import { registrationSecret } from '../config/registration-secret.js';
import { Log } from '../observability/log.js';
import { Random } from '../observability/random.js';
import { startServer } from '../server.js';
import { openEnvironment } from './environment.js';

const ROUTE = '/_synapse/admin/v1/register';
const TIMEOUT_MS = 10_000;

export const createUserUsage = `partyline admin create-user NAME [--admin] [--password-stdin]

Creates an account, in the running server or, when none runs, in its database. Without --password-stdin a password is made
and printed.`;

/** @returns exit status */
export async function createUser(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { admin: { type: 'boolean' }, 'password-stdin': { type: 'boolean' } },
  });
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) {
    process.stderr.write(`${createUserUsage}\n`);
    return 2;
  }
  const password = values['password-stdin'] ? await readLine() : new Random().token(12);
  if (password === '') throw new Error('The password is empty.');
  const account = { username: name, password, admin: values.admin ?? false };
  const settings = loadConfig(process.env, process.cwd());
  const running = `http://localhost:${settings.httpPort}`;
  const userId = (await answers(running)) ? await register(running, secretOf(settings), account) : await registerOffline(settings, account);
  process.stdout.write(`${userId}${values['password-stdin'] ? '' : `\npassword: ${password}`}\n`);
  return 0;
}

interface NewAccount {
  readonly username: string;
  readonly password: string;
  readonly admin: boolean;
}

function secretOf(settings: Settings): string {
  return settings.registrationSecret ?? registrationSecret(settings.dataDir, new Random());
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}${ROUTE}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })).ok;
  } catch {
    return false;
  }
}

/** Runs a server without public sockets for the one request. */
async function registerOffline(settings: Settings, account: NewAccount): Promise<string> {
  const environment = await openEnvironment(settings, (what) => void process.stderr.write(`${what} …\n`));
  try {
    const config = Object.freeze({ ...environment.config, bind: ['127.0.0.1'], httpPort: 0, httpsPort: null });
    const server = await startServer(config, { log: new Log('warn') });
    try {
      return await register(`http://127.0.0.1:${server.httpPort}`, config.registrationSecret!, account);
    } finally {
      await server.stop();
    }
  } finally {
    await environment.close();
  }
}

/** Shared-secret registration, as Synapse's admin API has it. */
async function register(url: string, secret: string, account: NewAccount): Promise<string> {
  const { nonce } = (await call(`${url}${ROUTE}`)) as { nonce: string };
  const parts = [nonce, account.username, account.password, account.admin ? 'admin' : 'notadmin'];
  const mac = createHmac('sha1', secret).update(parts.join('\0')).digest('hex');
  const created = await call(`${url}${ROUTE}`, { ...account, nonce, mac, inhibit_login: true });
  return (created as { user_id: string }).user_id;
}

async function call(url: string, body?: object): Promise<unknown> {
  const response = await fetch(url, {
    method: body ? 'POST' : 'GET',
    headers: { 'content-type': 'application/json' },
    body: body ? JSON.stringify(body) : undefined,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(answer.error ?? `The server answered ${response.status}.`);
  return answer;
}

async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.split('\n')[0]!.replace(/\r$/, '');
}
