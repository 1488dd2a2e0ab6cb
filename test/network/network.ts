import { createHmac, randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import { Config } from '../../apps/homeserver/src/config/config.js';
import type { NameResolver } from '../../apps/homeserver/src/federation/outgoing/name-resolver.js';
import type { Clock } from '../../apps/homeserver/src/observability/clock.js';
import type { DatabaseLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { freePort } from './free-port.js';
import { createTestDatabase, disguiseTestDatabase, dropTestDatabase, testCluster, type TestCluster } from './test-cluster.js';
import { TestClient } from './test-client.js';
import { TestServer } from './test-server.js';

/** Another process may take a port between the look and the start. */
const START_ATTEMPTS = 3;

/** Secret of the shared-secret registration on every test server. */
export const REGISTRATION_SECRET = 'registration secret of the tests';

export interface NetworkOptions {
  /** Labels, or a number of servers that are then called `a`, `b`, `c`… */
  readonly servers?: number | readonly string[];
  /** Settings of all servers, in place of the harness's. */
  readonly config?: Partial<Config>;
  /** Settings of one server by its label. */
  readonly configs?: Readonly<Record<string, Partial<Config>>>;
  /** Shared clock; the wall clock otherwise. */
  readonly clock?: Clock;
  /** DNS of a server, by its label; the machine's otherwise. */
  readonly resolver?: (label: string) => NameResolver;
  /** In place of AppModule: servers of some parts only. */
  readonly rootModule?: Type;
  /** The way to a server's database by its label, in place of the direct one. */
  readonly databaseUrl?: (label: string, url: string) => Promise<string>;
  readonly databaseLimits?: DatabaseLimits;
}

/**
 * Real servers in this process, each with its own database and ports, that reach each other over TLS:
 *
 *     const net = await Network.start({ servers: ['a', 'b'] });
 *     const alice = await net.client('a').register('alice');
 *     …
 *     await net.stop();
 */
export class Network {
  readonly #databases: string[] = [];
  readonly #folders: string[] = [];
  /** Database by label. */
  readonly #databaseOf = new Map<string, string>();
  readonly #servers = new Map<string, TestServer>();

  private constructor(
    private readonly cluster: TestCluster,
    private readonly options: NetworkOptions,
  ) {}

  /** Starts the servers, all at once. */
  static async start(options: NetworkOptions = {}): Promise<Network> {
    const { servers = 1 } = options;
    const labels = typeof servers === 'number' ? Array.from({ length: servers }, (_, i) => String.fromCharCode(97 + i)) : servers;
    const network = new Network(await testCluster(), options);
    try {
      await Promise.all(labels.map((label) => network.add(label)));
    } catch (error) {
      await network.stop();
      throw error;
    }
    return network;
  }

  /** Starts one more server. */
  async add(label: string, config: Partial<Config> = {}): Promise<TestServer> {
    for (let attempt = 1; ; attempt++) {
      // One for each attempt: the name, with its port, is written into it.
      const database = `t_${randomBytes(8).toString('hex')}`;
      this.#databases.push(database);
      const direct = await createTestDatabase(this.cluster, database);
      const databaseUrl = (await this.options.databaseUrl?.(label, direct)) ?? direct;
      const settings = { ...this.options.config, ...this.options.configs?.[label], ...config };
      const server = new TestServer(label, await this.#config(databaseUrl, database, settings), { ...this.options, resolver: this.options.resolver?.(label) });
      try {
        await server.start();
      } catch (error) {
        if (((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'EADDRINUSE' && attempt < START_ATTEMPTS) continue;
        throw error;
      }
      this.#servers.set(label, server);
      this.#databaseOf.set(label, database);
      return server;
    }
  }

  /** A client of a new administrator's account. */
  async administrator(label = 'a', username = 'admin'): Promise<TestClient> {
    const client = this.client(label);
    const { nonce } = await client.request('GET', '/_synapse/admin/v1/register');
    const mac = createHmac('sha1', REGISTRATION_SECRET).update(`${nonce}\0${username}\0x long enough\0admin`).digest('hex');
    const session = await client.request('POST', '/_synapse/admin/v1/register', { nonce, username, password: 'x long enough', admin: true, mac });
    return Object.assign(client, { accessToken: session.access_token, userId: session.user_id, deviceId: session.device_id });
  }

  /** Copies the database of a server, which is stopped for that and started again. @returns what `restore` takes */
  async backUp(label: string): Promise<string> {
    const backup = `t_${randomBytes(8).toString('hex')}`;
    this.#databases.push(backup);
    await this.server(label).stop();
    await createTestDatabase(this.cluster, backup, this.#databaseOf.get(label)!);
    await this.server(label).start();
    return backup;
  }

  /**
   * Lets a server go on with a backup.
   *
   * @param noticed by what it can tell: the `database`, which is another copy; only the `witness`, a file beside it, as when the
   *   disk of the database was rolled back; or `nothing`, as when the whole machine was
   */
  async restore(label: string, backup: string, noticed: 'database' | 'witness' | 'nothing' = 'database'): Promise<void> {
    const [server, database] = [this.server(label), this.#databaseOf.get(label)!];
    await server.stop();
    await dropTestDatabase(this.cluster, database);
    await createTestDatabase(this.cluster, database, backup);
    if (noticed !== 'database') await disguiseTestDatabase(this.cluster, database);
    if (noticed === 'nothing') rmSync(join(server.config.dataDir, 'database-witness'), { force: true });
    await server.start();
  }

  /** The servers in the order of their labels in `start`. */
  get servers(): readonly TestServer[] {
    return [...this.#servers.values()].sort((x, y) => (x.label < y.label ? -1 : 1));
  }

  /** @throws when there is no such server */
  server(label: string): TestServer {
    const server = this.#servers.get(label);
    if (!server) throw new Error(`no server ${label} in this network`);
    return server;
  }

  /** A client without an account: `register` or `login` comes next. Without a server: of the first. */
  client(server: string | TestServer = this.servers[0]!): TestClient {
    return new TestClient(typeof server === 'string' ? this.server(server) : server);
  }

  /** Ends all servers and deletes their data. */
  async stop(): Promise<void> {
    await Promise.all(this.servers.map((server) => server.stop()));
    for (const database of this.#databases) await dropTestDatabase(this.cluster, database);
    for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
  }

  async #config(databaseUrl: string, database: string, settings: Partial<Config>): Promise<Config> {
    const [httpPort, httpsPort] = [await freePort(), await freePort()];
    const dataDir = join(this.cluster.folder, database);
    this.#folders.push(dataDir);
    const defaults: Config = {
      serverName: `localhost:${httpsPort}`,
      dataDir,
      bind: ['127.0.0.1', '::1'],
      httpPort,
      httpsPort,
      tls: this.cluster.tls,
      databaseUrl,
      databaseFolder: null,
      publicUrl: `http://localhost:${httpPort}`,
      registration: 'open',
      registrationSecret: REGISTRATION_SECRET,
      defaultRoomVersion: '12',
      defaultRoomVersionIsSet: false,
      turnUris: [],
      turnSecret: null,
      livekitUrl: null,
      contact: null,
      rateLimits: false,
      notaries: [],
      mediaPlace: null,
      maxUploadBytes: 4 * 1024 * 1024,
      mediaQuotaBytes: 1024 ** 3,
      mediaCacheBytes: 1024 ** 3,
      openMedia: true,
      urlPreviews: false,
      retention: { lifetime: null, limits: null },
      searchLanguage: 'simple',
      pushBadge: 'rooms',
      // The syncs of most tests wait for something else, and others' coming and going would answer them.
      presence: false,
      logLevel: 'info',
      federationCa: this.cluster.ca,
      allowPrivateAddresses: true,
      passwordCost: 'cheap',
    };
    return Object.freeze(Object.assign(new Config(), defaults, settings));
  }
}
