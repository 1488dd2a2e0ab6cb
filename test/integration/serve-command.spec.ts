import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { eventually } from '../network/eventually.js';
import { freePort } from '../network/free-port.js';
import { createTestDatabase, dropTestDatabase, testCluster } from '../network/test-cluster.js';
import { ServeProcess } from '../network/serve-process.js';
import { within } from '../network/within.js';

const program = fileURLToPath(new URL('../../bin/partyline.js', import.meta.url));

describe('partyline serve', () => {
  let server: ServeProcess;
  beforeEach(() => (server = new ServeProcess()));
  afterEach(() => server.remove(), 60_000);

  it('offers the first account, keeps it over kill -9, and ends on SIGTERM with status 0', async () => {
    await server.start();
    expect(server.output).toMatch(new RegExp(`^listening http://localhost:${server.port}$`, 'm'));
    expect(server.output).toMatch(new RegExp(`http://localhost:${server.port}/setup#\\S+`));
    await server.createUser('alice');
    await server.stop('SIGKILL');

    server.output = '';
    await server.start();
    expect(server.output).not.toContain('/setup#');
    expect(await server.login('alice')).toBe(200);
    expect(await server.stop()).toBe(0);
  }, 120_000);

  it('creates accounts while no server runs', async () => {
    await server.createUser('bob');
    expect(server.admin(['create-user', 'bob']).status).toBe(1);
    await server.start();
    expect(await server.login('bob')).toBe(200);
  }, 120_000);

  it('says which port is taken, before it makes anything', async () => {
    await server.start();
    const other = spawnSync(process.execPath, [program, 'serve'], {
      env: { PATH: process.env['PATH'], PARTYLINE_DATA_DIR: join(server.folder, 'other'), PARTYLINE_HTTP_PORT: String(server.port) },
      encoding: 'utf8',
    });
    expect(other.status).toBe(1);
    expect(other.stderr).toMatch(new RegExp(`^partyline: PARTYLINE_HTTP_PORT: port ${server.port} is in use`));
    expect(existsSync(join(server.folder, 'other'))).toBe(false);
  }, 120_000);

  it('ends with a sentence where a data folder cannot be', async () => {
    server.dataDir = '/proc/partyline';
    expect(await server.fails()).toBe('partyline: PARTYLINE_DATA_DIR: /proc/partyline cannot be made (ENOENT)\n');
  });

  it('obeys a Ctrl-C while it makes its database, and leaves nothing half made', async () => {
    await server.launch();
    const { child } = server;
    await eventually(() => server.output.includes('making a database'), 30_000);
    await eventually(() => readdirSync(join(server.dataDir, 'postgres')).includes('cluster.unfinished'));
    const exit = once(child, 'exit');
    child.kill('SIGINT');
    expect(await within(3_000, () => exit)).toEqual([0, null]);
    expect(readdirSync(join(server.dataDir, 'postgres'))).not.toContain('cluster.unfinished');
    expect(server.output).toContain('stopped (SIGINT)');
    await server.start();
  }, 120_000);

  describe('and its operator', () => {
    const databases: string[] = [];
    // On a database of the test run, which is there at once.
    beforeEach(async () => {
      databases.push(`operator_${databases.length}`);
      server.database = await createTestDatabase(await testCluster(), databases.at(-1)!);
    });
    afterAll(async () => {
      for (const database of databases) await dropTestDatabase(await testCluster(), database);
    });

    it('reaches it with TLS only, on an address of its own, with its secret, from any folder', async () => {
      const { cert, key } = createCertificateAuthority(Date.now(), randomBytes).issue(['one.test']);
      writeFileSync(join(server.folder, 'cert.pem'), cert);
      writeFileSync(join(server.folder, 'key.pem'), key);
      server.settings = {
        PARTYLINE_BIND: '127.0.0.2',
        PARTYLINE_HTTP_PORT: 'off',
        PARTYLINE_HTTPS_PORT: String(await freePort()),
        PARTYLINE_TLS_CERT: join(server.folder, 'cert.pem'),
        PARTYLINE_TLS_KEY: join(server.folder, 'key.pem'),
        PARTYLINE_REGISTRATION_SECRET: 'known to the server alone',
      };
      await server.start();
      expect(server.admin(['create-user', 'alice'], { cwd: '/' })).toMatchObject({ status: 0, stdout: expect.stringMatching(/^@alice:localhost\npassword: \S+\n$/) });
      expect(server.admin(['create-user', 'alice']).stderr).toBe('partyline: This user name is taken\n');
    }, 120_000);

    it('is found in the folder that it was started in, and not looked for where nothing is', async () => {
      server.dataDir = join(server.folder, 'data');
      await server.start();
      const elsewhere = { PARTYLINE_DATA_DIR: undefined, PARTYLINE_HTTP_PORT: undefined, DATABASE_URL: undefined };
      expect(server.admin(['create-user', 'alice'], { settings: elsewhere }).status).toBe(0);
      const empty = join(server.folder, 'empty');
      mkdirSync(empty);
      writeFileSync(join(empty, 'partyline.yaml'), 'data_dir: nothing-here\n');
      const lost = server.admin(['create-user', 'bob'], { settings: elsewhere, cwd: empty });
      expect([lost.status, lost.stderr]).toEqual([1, `partyline: There is no server in ${join(empty, 'nothing-here')}. Run this in the folder that the server is started in, or set PARTYLINE_DATA_DIR.\n`]);
      expect(existsSync(join(empty, 'nothing-here'))).toBe(false);
    }, 120_000);

    it('resets a password, and ends sessions where he says so', async () => {
      await server.start();
      await server.createUser('alice');
      const session = await server.session('alice');
      const isIn = async () => (await server.fetch('/_matrix/client/v3/account/whoami', { headers: session })).status;
      expect(server.admin(['reset-password', 'alice', '--password-stdin'], { input: 'another password\n' })).toMatchObject({ status: 0, stdout: '@alice:localhost\n' });
      expect([await server.login('alice'), await server.login('alice', 'another password'), await isIn()]).toEqual([403, 200, 200]);
      const made = /^password: (\S+)$/m.exec(server.admin(['reset-password', '@alice:localhost', '--end-sessions']).stdout)![1]!;
      expect([await server.login('alice', made), await isIn()]).toEqual([200, 401]);
      expect(server.admin(['reset-password', 'nobody'])).toMatchObject({ status: 1, stderr: 'partyline: There is no account @nobody:localhost on this server\n' });
      expect(server.admin(['reset-password', 'alice', '--password-stdin'], { input: 'short\n' }).stderr).toMatch(/^partyline: The password is too short/);
    }, 120_000);

    it('changes how much it logs while it runs', async () => {
      server.settings = { PARTYLINE_LOG_LEVEL: 'error' };
      await server.start();
      await server.createUser('alice');
      server.admin(['reset-password', 'alice']);
      expect(server.output).not.toContain('a password was reset');
      expect(server.admin(['log-level', 'warn'])).toMatchObject({ status: 0, stdout: 'The log has "warn" from now on; it had "error".\n' });
      server.admin(['reset-password', 'alice']);
      await eventually(() => server.output.includes('a password was reset'));
      expect(server.admin(['log-level', 'loud'])).toMatchObject({ status: 1, stderr: expect.stringContaining('expected debug, info, warn, error, silent') });
      await server.stop();
      expect(server.admin(['log-level', 'warn'])).toMatchObject({ status: 1, stderr: `partyline: No server runs on the data folder ${server.dataDir}.\n` });
    }, 120_000);
  });
});

describe('the command line', () => {
  const run = (...args: string[]) => spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });

  it.each([
    [['serve', '--prot', '80'], 'partyline serve: there is no option --prot: it has none; settings are environment variables'],
    [['serve', 'now'], 'partyline serve: what is "now"?'],
    [['srve'], 'there is no command "srve".'],
    [['admin'], '"admin" is half a command.'],
    [['admin', 'create'], 'there is no command "admin create".'],
    [['admin', 'create-user'], 'partyline admin create-user NAME: NAME is missing.'],
    [['admin', 'create-user', 'alice', 'bob'], 'what is "bob"?'],
    [['admin', 'create-user', 'alice', '--root'], 'there is no option --root: it has --admin and --password-stdin.'],
    [['demo', '--seed'], 'partyline demo: '],
  ])('refuses %j with a sentence', (args, says) => {
    const { status, stdout, stderr } = run(...args);
    expect({ status, stdout, says: stderr.startsWith(`partyline: `) && stderr.includes(says) }).toEqual({ status: 2, stdout: '', says: true });
  });

  it('tells its version and what there is', () => {
    expect(run('--version').stdout).toMatch(/^partyline \d+\.\d+\.\d+\n$/);
    for (const args of [['--help'], ['help'], [], ['serve', '--help']]) expect(run(...args).stdout).toContain('partyline admin reset-password NAME');
  });
});
