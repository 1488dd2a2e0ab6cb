import { spawnSync } from 'node:child_process';
import { rmSync, mkdirSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { runningPostmaster } from '../../apps/homeserver/src/storage/postmaster.js';
import { eventually } from '../network/eventually.js';
import { ServeProcess } from '../network/serve-process.js';

const MB = 1_000_000;

/** Whether a small disk of its own can be had, which takes root. */
const canMount = process.getuid?.() === 0 && spawnSync('mount', ['--version']).status === 0;
if (!canMount) process.stdout.write('database-outage: the tests of a full disk need root and mount; they are left out\n');
const withDisk = canMount ? describe : describe.skip;

describe('a server whose own database', () => {
  let server: ServeProcess;
  const clusterFolder = () => join(server.dataDir, 'postgres', 'cluster');
  const postmaster = () => runningPostmaster(clusterFolder())!;
  const query = async (sql: string): Promise<Record<string, unknown>[]> => {
    const client = new pg.Client({ host: `${clusterFolder()}.socket`, user: 'postgres', database: 'partyline' });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return (await client.query(sql)).rows as Record<string, unknown>[];
    } finally {
      await client.end();
    }
  };
  /** The first answer that is no success; every answer until then must be one. */
  const firstTrouble = (path: string) =>
    eventually(async () => {
      const answer = await server.fetch(path);
      return answer.ok ? false : { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: (await answer.json()) as Record<string, unknown> };
    }, 60_000);
  const isHealthy = () => eventually(async () => (await server.fetch('/health')).ok, 60_000);

  beforeAll(async () => {
    server = new ServeProcess();
    server.settings = { PARTYLINE_RATE_LIMITS: 'off' };
    await server.start();
    await server.createUser('alice');
  }, 120_000);
  beforeEach(() => void (server.output = ''));
  afterAll(() => server.remove(), 60_000);

  it('is killed starts it again by itself, and says so meanwhile', async () => {
    const before = postmaster();
    // Again and again, since a request that waits out a short trouble is answered as if there were none.
    let isSeen = false;
    const killed = eventually(() => {
      const present = runningPostmaster(clusterFolder());
      if (present !== null && !isSeen) process.kill(present, 'SIGKILL');
      return isSeen;
    }, 60_000);
    const troubles = Promise.all([firstTrouble('/health'), firstTrouble('/_matrix/client/v3/profile/@alice:localhost')]);
    const [health, request] = await troubles.finally(() => (isSeen = true));
    await killed;
    for (const answer of [health, request]) {
      expect(answer).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^\d+$/), body: { errcode: 'M_UNKNOWN', error: expect.stringMatching(/^The database .*(again|soon)/) } });
    }
    await isHealthy();
    expect(postmaster()).not.toBe(before);
    expect(await server.login('alice')).toBe(200);
    expect(server.output).toContain('The database has stopped and is being started again.');
    expect(server.output).toContain('the database serves again');
    expect(server.output).not.toContain('Internal server error');
  }, 120_000);

  it('loses one of its processes goes on', async () => {
    const [row] = await query(`SELECT pid FROM pg_stat_activity WHERE datname = 'partyline' AND backend_type = 'client backend' AND pid <> pg_backend_pid() LIMIT 1`);
    process.kill(row!['pid'] as number, 'SIGKILL');
    // All others are ended with it, and begin anew.
    await eventually(async () => (await server.login('alice')) === 200, 30_000);
    await isHealthy();
  }, 120_000);

  it('is killed in the middle of a long statement waits for no one', async () => {
    const busy = query('SELECT count(*) FROM generate_series(1, 1000000000000)').catch(() => 'ended');
    await eventually(async () => (await query(`SELECT 1 FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()`)).length === 1);
    const before = postmaster();
    process.kill(before, 'SIGKILL');
    expect(await busy).toBe('ended');
    await eventually(() => runningPostmaster(clusterFolder()) !== null && postmaster() !== before, 30_000);
    await isHealthy();
    expect(await server.login('alice')).toBe(200);
  }, 120_000);

  it('is stopped by hand starts it again, but not when it stops itself', async () => {
    process.kill(postmaster(), 'SIGINT');
    await eventually(() => server.output.includes('the database serves again'), 30_000);
    expect(await server.stop()).toBe(0);
    expect(runningPostmaster(clusterFolder())).toBeNull();
  }, 120_000);
});

withDisk('a server on a small disk', () => {
  let server: ServeProcess;
  let disk: string;
  const free = () => {
    const { bavail, bsize } = statfsSync(disk);
    return bavail * bsize;
  };
  const fill = (name: string, leave: number) => writeFileSync(join(disk, name), Buffer.alloc(Math.max(0, free() - leave)));

  beforeAll(async () => {
    server = new ServeProcess();
    disk = join(server.folder, 'disk');
    mkdirSync(disk);
    expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=500m,mode=755', 'none', disk]).status).toBe(0);
    server.dataDir = join(disk, 'data');
    server.settings = { PARTYLINE_RATE_LIMITS: 'off' };
    await server.start();
    await server.createUser('alice');
  }, 120_000);
  beforeEach(() => void (server.output = ''));
  afterAll(async () => {
    await server.stop();
    spawnSync('umount', ['-l', disk]);
    await server.remove();
  }, 60_000);

  it('stores nothing when it is nearly full, says why, and goes on when there is room', async () => {
    const session = await server.session('alice');
    const send = (name: string) => server.fetch('/_matrix/client/v3/createRoom', { method: 'POST', headers: session, body: JSON.stringify({ name }) });
    expect((await send('before')).status).toBe(200);
    fill('ballast', 100 * MB);
    await eventually(() => server.output.includes('The disk of the database is nearly full'));
    const answer = await send('never');
    const refused = { status: answer.status, retryAfter: answer.headers.get('retry-after'), body: await answer.json() };
    expect(refused).toMatchObject({ status: 503, retryAfter: expect.any(String), body: { error: expect.stringContaining('The disk of the database is nearly full') } });
    expect((await server.fetch('/_matrix/client/v3/joined_rooms', { headers: session })).status).toBe(200);
    expect((await server.fetch('/_matrix/client/v3/sync?timeout=0', { headers: session })).status).toBe(200);
    expect(await (await server.fetch('/health')).json()).toMatchObject({ error: expect.stringContaining('nearly full') });
    rmSync(join(disk, 'ballast'));
    await eventually(async () => (await server.fetch('/health')).ok);
    expect((await send('after')).status).toBe(200);
  }, 120_000);

  it('comes back by itself when it was full to the last byte and is not any more', async () => {
    fill('ballast', 0);
    process.kill(runningPostmaster(join(server.dataDir, 'postgres', 'cluster'))!, 'SIGKILL');
    await eventually(() => server.output.includes('cannot be started again'), 30_000);
    expect(server.output).toMatch(/"reason":"The database did not start \((could not write|could not create|No space)/);
    const health = await server.fetch('/health');
    expect([health.status, await health.json()]).toMatchObject([503, { error: expect.stringMatching(/cannot be started again .* nearly full/) }]);
    rmSync(join(disk, 'ballast'));
    await eventually(async () => (await server.fetch('/health')).ok, 60_000);
    expect(await server.login('alice')).toBe(200);
  }, 120_000);

  it('does not start without room, and says how much it needs', async () => {
    await server.stop();
    fill('ballast', 50 * MB);
    expect(await server.fails()).toMatch(/PARTYLINE_DATA_DIR: only \d+ MB are free on the disk/);
    rmSync(join(disk, 'ballast'));
    await server.start();
  }, 120_000);
});
