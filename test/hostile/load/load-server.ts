import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../network/free-port.js';
import { createTestDatabase, dropTestDatabase, testCluster, type TestCluster } from '../../network/test-cluster.js';
import { TestClient } from '../../network/test-client.js';
import type { TestServer } from '../../network/test-server.js';

const build = join(import.meta.dirname, '..', '..', '..', 'dist', 'apps', 'homeserver', 'src', 'server.js');

/** As bin/partyline.js starts a server. */
const memory = {
  flags: ['--max-semi-space-size=4'],
  environment: { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_MMAP_THRESHOLD_: '32768' },
};

/** What a server has noticed of itself. */
export interface LoadReport {
  /** Longest time for which the event loop did one thing, in milliseconds of processor time. */
  readonly stallMs: number;
  /** Most bytes of memory. */
  readonly rss: number;
}

/** A server in a process of its own, whose memory and turns are measured. */
export class LoadServer {
  private constructor(
    private readonly child: ChildProcess,
    private readonly cluster: TestCluster,
    private readonly database: string,
    private readonly folder: string,
    readonly httpPort: number,
    readonly name: string,
  ) {}

  static async start(): Promise<LoadServer> {
    if (!existsSync(build)) throw new Error('the load tests run the build: `npx tsc -b` first');
    const cluster = await testCluster();
    const database = `t_${randomBytes(8).toString('hex')}`;
    const folder = join(cluster.folder, `load-${database}`);
    mkdirSync(folder);
    const file = (name: string, content: string): string => {
      writeFileSync(join(folder, name), content);
      return join(folder, name);
    };
    const [httpPort, httpsPort] = [await freePort(), await freePort()];
    const name = `localhost:${httpsPort}`;
    const child = spawn(process.execPath, [...memory.flags, join(import.meta.dirname, 'load-process.mjs')], {
      env: {
        ...memory.environment,
        PATH: process.env['PATH'] ?? '',
        PARTYLINE_TEST_LOG: process.env['PARTYLINE_TEST_LOG'] ?? 'fatal',
        DATABASE_URL: await createTestDatabase(cluster, database),
        PARTYLINE_SERVER_NAME: name,
        PARTYLINE_DATA_DIR: folder,
        PARTYLINE_BIND: '127.0.0.1',
        PARTYLINE_HTTP_PORT: String(httpPort),
        PARTYLINE_HTTPS_PORT: String(httpsPort),
        PARTYLINE_TLS_CERT: file('cert.pem', cluster.tls.cert),
        PARTYLINE_TLS_KEY: file('key.pem', cluster.tls.key),
        PARTYLINE_FEDERATION_CA: file('ca.pem', cluster.ca),
        PARTYLINE_ALLOW_PRIVATE_ADDRESSES: 'on',
        PARTYLINE_REGISTRATION: 'open',
        PARTYLINE_RATE_LIMITS: 'off',
        PARTYLINE_PASSWORD_COST: 'cheap',
      },
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await Promise.race([once(child, 'message'), once(child, 'exit').then(() => Promise.reject(new Error('the server ended while it started')))]);
    return new LoadServer(child, cluster, database, folder, httpPort, name);
  }

  get url(): string {
    return `http://127.0.0.1:${this.httpPort}`;
  }

  /** As what clients and hostile servers of the tests need of a server: its name and address. */
  get target(): TestServer {
    return this as unknown as TestServer;
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  client(): TestClient {
    return new TestClient(this.target);
  }

  reset(): void {
    this.child.send({ reset: true });
  }

  async report(): Promise<LoadReport> {
    const answer = once(this.child, 'message');
    this.child.send({ report: true });
    return ((await answer) as [LoadReport])[0];
  }

  async stop(): Promise<void> {
    if (this.isRunning) {
      const exit = once(this.child, 'exit');
      this.child.kill('SIGKILL');
      await exit;
    }
    await dropTestDatabase(this.cluster, this.database);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
