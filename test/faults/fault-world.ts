import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { freePorts } from '../../apps/homeserver/src/demo/free-ports.js';
import { ServerProcess } from '../../apps/homeserver/src/demo/server-process.js';
import { until } from '../../apps/homeserver/src/demo/within.js';
import { createCertificateAuthority } from '../../apps/homeserver/src/tls/certificate-authority.js';
import { createTestDatabase, dropTestDatabase, testCluster, type TestCluster } from '../network/test-cluster.js';
import { Link } from './link.js';

const entry = join(import.meta.dirname, 'fault-server.mjs');
const build = join(import.meta.dirname, '..', '..', 'dist', 'apps', 'homeserver', 'src', 'server.js');

/** Three servers in processes of their own; every way from one to another can be cut. */
export class FaultWorld {
  /** By label. */
  readonly #databases = new Map<string, string>();
  #folder = '';
  #servers: ServerProcess[] = [];
  /** By `from>to`, labels. */
  readonly #links = new Map<string, Link>();

  private constructor(private readonly cluster: TestCluster) {}

  static async start(labels: readonly string[] = ['a', 'b', 'c']): Promise<FaultWorld> {
    if (!existsSync(build)) throw new Error('the fault tests run the build: `npx tsc -b` first');
    const world = new FaultWorld(await testCluster());
    try {
      await world.#build(labels);
      await Promise.all(world.#servers.map((server) => server.start()));
    } catch (error) {
      await world.stop();
      throw error;
    }
    return world;
  }

  get servers(): readonly ServerProcess[] {
    return this.#servers;
  }

  /** What a server's database says, whether the server runs or not. @param sql without parameters */
  async rows(label: string, sql: string): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: this.cluster.adminUrl.replace(/\/postgres$/, `/${this.#databases.get(label)!}`) });
    await client.connect();
    try {
      return (await client.query<Record<string, unknown>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  server(label: string): ServerProcess {
    return this.#servers.find((server) => server.label === label)!;
  }

  /** The way that `from` takes to `to`. */
  link(from: string, to: string): Link {
    return this.#links.get(`${from}>${to}`)!;
  }

  /** Stops the server for a backup: a copy of its database. */
  async backUp(label: string): Promise<void> {
    const server = this.server(label);
    await server.kill();
    await this.#copy(this.#databases.get(label)!, `${this.#databases.get(label)!}_backup`);
    await server.start();
  }

  /** The server dies and comes back with what its last backup had. */
  async restore(label: string): Promise<void> {
    await this.server(label).kill();
    await this.#copy(`${this.#databases.get(label)!}_backup`, this.#databases.get(label)!);
    await this.server(label).start();
  }

  /** All servers run with the right time, all links are open. */
  async heal(): Promise<void> {
    for (const link of this.#links.values()) link.set('open');
    for (const server of this.#servers) {
      server.thaw();
      server.tell({ clock: 0, crash: null });
    }
    await Promise.all(this.#servers.map((server) => server.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.kill()));
    await Promise.all([...this.#links.values()].map((link) => link.close()));
    for (const database of this.#databases.values()) {
      for (const name of [database, `${database}_backup`]) await dropTestDatabase(this.cluster, name);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #copy(from: string, to: string): Promise<void> {
    await dropTestDatabase(this.cluster, to);
    // PostgreSQL notices in a moment that the server is dead, and copies nothing that somebody is connected to.
    await until(10_000, 'a copy of the database', () => createTestDatabase(this.cluster, to, from));
  }

  async #build(labels: readonly string[]): Promise<void> {
    const name = (label: string): string => `${label}.test`;
    const ports = await freePorts(labels.length * 2);
    const httpPort = (label: string): number => ports[labels.indexOf(label) * 2]!;
    const httpsPort = (label: string): number => ports[labels.indexOf(label) * 2 + 1]!;
    for (const from of labels) {
      for (const to of labels) if (from !== to) this.#links.set(`${from}>${to}`, await Link.open(httpsPort(to)));
    }
    // FAULTS_TRACE=folder: what each server does, from all its lives, goes to a file there.
    const trace = process.env['FAULTS_TRACE'];
    if (trace !== undefined) mkdirSync(trace, { recursive: true });
    this.#folder = join(this.cluster.folder, `faults-${randomBytes(4).toString('hex')}`);
    mkdirSync(this.#folder);
    const file = (fileName: string, content: string): string => {
      writeFileSync(join(this.#folder, fileName), content);
      return join(this.#folder, fileName);
    };
    const authority = createCertificateAuthority(Date.now(), randomBytes);
    const { cert, key } = authority.issue(labels.map(name));
    const [certFile, keyFile, caFile] = [file('cert.pem', cert), file('key.pem', key), file('ca.pem', authority.cert)];
    for (const label of labels) {
      const database = `t_${randomBytes(8).toString('hex')}`;
      this.#databases.set(label, database);
      const dataDir = join(this.#folder, label);
      mkdirSync(dataDir);
      const links = labels.filter((other) => other !== label).map((other) => [name(other), this.link(label, other).port]);
      this.#servers.push(new ServerProcess({
        label,
        serverName: name(label),
        url: `http://127.0.0.1:${httpPort(label)}`,
        command: [entry],
        environment: {
          FAULTS_LINKS: JSON.stringify(Object.fromEntries(links)),
          FAULTS_LOG: process.env['PARTYLINE_TEST_LOG'] ?? 'error',
          FAULTS_TRACE: trace === undefined ? '' : join(trace, `${label}.log`),
          DATABASE_URL: await createTestDatabase(this.cluster, database),
          PARTYLINE_SERVER_NAME: name(label),
          PARTYLINE_DATA_DIR: dataDir,
          PARTYLINE_BIND: '127.0.0.1',
          PARTYLINE_HTTP_PORT: String(httpPort(label)),
          PARTYLINE_HTTPS_PORT: String(httpsPort(label)),
          PARTYLINE_TLS_CERT: certFile,
          PARTYLINE_TLS_KEY: keyFile,
          PARTYLINE_FEDERATION_CA: caFile,
          PARTYLINE_ALLOW_PRIVATE_ADDRESSES: 'on',
          PARTYLINE_REGISTRATION: 'open',
          PARTYLINE_RATE_LIMITS: 'off',
          PARTYLINE_PASSWORD_COST: 'cheap',
        },
      }));
    }
  }
}
