import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { eventually } from '../network/eventually.js';
import { freePort } from '../network/free-port.js';
import { createTestDatabase, dropTestDatabase, testCluster } from '../network/test-cluster.js';

const root = join(import.meta.dirname, '..', '..');
const dockerfile = readFileSync(join(root, 'docker', 'Dockerfile'), 'utf8');
const DATABASE = 'laid_out';

const ownMegabytes = (pid: number): number => Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1_024;

/** Is left out of what Docker gets: the patterns of .dockerignore that are in use, a path or `**` and a name. */
function isIgnored(path: string): boolean {
  const patterns = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return patterns.some((pattern) => {
    const expression = pattern.replaceAll('.', '\\.').replaceAll('**/', '<any>').replaceAll('*', '[^/]*').replaceAll('<any>', '(?:.*/)?');
    return new RegExp(`^${expression}(/|$)`).test(path);
  });
}

describe('what the container image holds', () => {
  let folder: string;
  let image: string;
  let port: number;
  let databaseUrl: string;
  let server: ChildProcess | undefined;
  // Nothing of this machine but Node: no npm, no git, no PostgreSQL.
  const environment = () => ({
    PATH: join(process.execPath, '..'),
    PARTYLINE_DATA_DIR: join(folder, 'data'),
    PARTYLINE_HTTP_PORT: String(port),
    PARTYLINE_PASSWORD_COST: 'cheap',
    DATABASE_URL: databaseUrl,
  });
  const run = (file: string, ...args: string[]) =>
    execFileSync(process.execPath, [join(image, file), ...args], { cwd: folder, env: environment(), encoding: 'utf8' });

  /** Of a picture that is uploaded: processes of their own make them, which have to be among the files. */
  const thumbnailOf = async (user: string, password: string): Promise<Buffer> => {
    const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
      const answer = await fetch(`http://localhost:${port}/_matrix${path}`, init);
      if (!answer.ok) throw new Error(await answer.text());
      return answer;
    };
    const login = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password };
    const { access_token: token } = (await (await call('/client/v3/login', { method: 'POST', body: JSON.stringify(login) })).json()) as { access_token: string };
    const headers = { authorization: `Bearer ${token}` };
    const picture = new Uint8Array(await sharp({ create: { width: 64, height: 64, channels: 4, background: '#08f8' } }).png().toBuffer());
    const { content_uri: uri } = (await (await call('/media/v3/upload', { method: 'POST', headers: { ...headers, 'content-type': 'image/png' }, body: picture })).json()) as { content_uri: string };
    return Buffer.from(await (await call(`/client/v1/media/thumbnail/${uri.slice('mxc://'.length)}?width=32&height=32`, { headers })).arrayBuffer());
  };

  beforeAll(async () => {
    const cluster = await testCluster();
    databaseUrl = await createTestDatabase(cluster, DATABASE);
    folder = mkdtempSync(join(tmpdir(), 'partyline-image-'));
    port = await freePort();
    // As the Dockerfile does it: what .dockerignore lets through, the installed packages, and the one command.
    const source = join(folder, 'src');
    const files = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' }).split('\n');
    for (const file of files) if (file !== '' && !isIgnored(file) && existsSync(join(root, file))) cpSync(join(root, file), join(source, file));
    symlinkSync(join(root, 'node_modules'), join(source, 'node_modules'));
    image = join(folder, 'image');
    execFileSync(process.execPath, [join(source, 'bin', 'lay-out.js'), image], { cwd: source, stdio: ['ignore', 'ignore', 'inherit'] });
    rmSync(source, { recursive: true });
  }, 240_000);
  afterAll(async () => {
    if (server && server.exitCode === null) {
      server.kill('SIGKILL');
      await once(server, 'exit');
    }
    await dropTestDatabase(await testCluster(), DATABASE);
    rmSync(folder, { recursive: true, force: true });
  });

  it('is listed in one place', () => {
    const [build, final] = dockerfile.split(/^FROM /m).slice(1) as [string, string];
    expect(build).toMatch(/^COPY \. \.$/m);
    expect(build).toMatch(/^RUN node bin\/lay-out\.js \/image$/m);
    expect(final.match(/^(COPY|ADD) .*$/gm)).toEqual(['COPY --from=build /image /app']);
  });

  it('is a server that starts, is healthy, takes commands, and ends on SIGTERM with status 0', async () => {
    server = spawn(process.execPath, [join(image, 'bin', 'partyline.js'), 'serve'], { cwd: folder, env: environment(), stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [server.stdout!, server.stderr!]) stream.on('data', (chunk) => (output += String(chunk)));
    await eventually(() => {
      if (server!.exitCode !== null) throw new Error(output);
      return output.includes(`listening http://localhost:${port}`);
    }, 60_000);
    run('docker/entry/health.js');
    // What it has of memory for itself, when it has nothing to do; how much of Node's own code is in memory as well is the system's affair.
    if (process.platform === 'linux') await eventually(() => ownMegabytes(server!.pid!) < 64, 60_000);
    const created = run('bin/partyline.js', 'admin', 'create-user', 'alice');
    expect(created).toMatch(/^@alice:localhost\npassword: \S+\n$/);
    const password = /password: (\S+)/.exec(created)![1]!;
    expect(await (await fetch(`http://localhost:${port}/assets/setup.js`)).text()).toContain('import');
    expect((await thumbnailOf('alice', password)).slice(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    server.kill('SIGTERM');
    expect(await once(server, 'exit')).toEqual([0, null]);
  }, 120_000);

  it('takes one byte of memory for each of its code', () => {
    const bundle = join(image, 'dist', 'apps', 'homeserver', 'bundle');
    // A single other character makes it two.
    for (const file of readdirSync(bundle)) expect([file, /[\u0080-\u00ff]/.exec(readFileSync(join(bundle, file), 'latin1'))]).toEqual([file, null]);
  });

  it('has the certificates of compose.three.yaml', () => {
    run('docker/entry/make-certificates.js', join(folder, 'certificates'), 'one.test');
    expect(existsSync(join(folder, 'certificates', 'one.test.key.pem'))).toBe(true);
  });

  it('answers what its version is', () => {
    expect(run('bin/partyline.js', '--version')).toMatch(/^partyline \d+\.\d+\.\d+\n$/);
  });
});
