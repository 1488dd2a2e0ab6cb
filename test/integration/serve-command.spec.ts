import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../network/free-port.js';

const program = fileURLToPath(new URL('../../bin/partyline.js', import.meta.url));
const secret = 'secret of the command test';

describe('partyline serve', () => {
  let folder: string;
  let port: number;
  const processes: ChildProcess[] = [];
  const environment = () => ({
    PATH: process.env['PATH'],
    PARTYLINE_DATA_DIR: join(folder, 'data'),
    PARTYLINE_HTTP_PORT: String(port),
    PARTYLINE_REGISTRATION_SECRET: secret,
    PARTYLINE_PASSWORD_COST: 'cheap',
  });

  /** Resolves with the process and what it printed until it listened. */
  async function serve(): Promise<{ child: ChildProcess; output: string }> {
    const child = spawn(process.execPath, [program, 'serve'], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    processes.push(child);
    let output = '';
    child.stderr!.on('data', (chunk) => (output += String(chunk)));
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', (chunk) => {
        output += String(chunk);
        if (/^listening .*[^]*Ctrl-C/m.test(output)) resolve();
      });
      child.once('exit', (code) => reject(new Error(`exit ${code}: ${output}`)));
    });
    return { child, output };
  }

  const createUser = (...args: string[]) =>
    spawnSync(process.execPath, [program, 'admin', 'create-user', ...args, '--password-stdin'], {
      env: environment(),
      input: 'a password\n',
      encoding: 'utf8',
    });

  const login = async (user: string): Promise<number> => {
    const response = await fetch(`http://localhost:${port}/_matrix/client/v3/login`, {
      method: 'POST',
      body: JSON.stringify({ type: 'm.login.password', identifier: { type: 'm.id.user', user }, password: 'a password' }),
    });
    return response.status;
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'partyline-serve-'));
    chmodSync(folder, 0o755);
    port = await freePort();
  });
  afterEach(async () => {
    for (const child of processes.splice(0)) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    rmSync(folder, { recursive: true, force: true });
  });

  it('offers the first account, keeps it over kill -9, and ends on SIGTERM with status 0', async () => {
    const first = await serve();
    expect(first.output).toMatch(new RegExp(`^listening http://localhost:${port}$`, 'm'));
    expect(first.output).toMatch(new RegExp(`http://localhost:${port}/setup#\\S+`));
    expect(createUser('alice').stdout).toBe('@alice:localhost\n');
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');

    const second = await serve();
    expect(second.output).not.toContain('/setup#');
    expect(await login('alice')).toBe(200);
    second.child.kill('SIGTERM');
    expect(await once(second.child, 'exit')).toEqual([0, null]);
  }, 120_000);

  it('creates accounts while no server runs', async () => {
    const created = createUser('bob');
    expect({ status: created.status, out: created.stdout }).toEqual({ status: 0, out: '@bob:localhost\n' });
    expect(createUser('bob').status).toBe(1);
    await serve();
    expect(await login('bob')).toBe(200);
  }, 120_000);

  it('says which port is taken', async () => {
    await serve();
    const other = spawnSync(process.execPath, [program, 'serve'], {
      env: { ...environment(), PARTYLINE_DATA_DIR: join(folder, 'other') },
      encoding: 'utf8',
    });
    expect(other.status).toBe(1);
    expect(other.stderr).toContain(`port ${port} is in use`);
  }, 120_000);
});
