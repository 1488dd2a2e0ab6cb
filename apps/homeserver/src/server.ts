import type { RequestListener } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import type { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import type { Config } from './config/config.js';
import { CoreModule } from './core.module.js';
import { entities } from './entities.js';
import { SystemResolver, type NameResolver } from './federation/outgoing/name-resolver.js';
import { AuthSchemes } from './http/auth-schemes.js';
import { fastifyOptions, installHttp } from './http/install-http.js';
import { RouteTable } from './http/route-table.js';
import { Listeners } from './listeners.js';
import { Clock } from './observability/clock.js';
import { Log } from './observability/log.js';
import { Random } from './observability/random.js';
import { Stopping } from './observability/stopping.js';
import { DatabaseHealth } from './storage/database-health.js';
import { databaseOf, dropConnections, openDataSource } from './storage/data-source.js';
import type { Database } from './storage/database.js';
import { usualLimits, type DatabaseLimits } from './storage/database-limits.js';
import { DatabaseLock } from './storage/database-lock.js';
import { Tenure } from './storage/tenure.js';
import { migrate, readMigrations } from './storage/migrate.js';
import { checkDatabase, connectionError } from './storage/usable-database.js';

/** Requests under way get this long when the server stops; long polls end at once. */
const STOP_GRACE_MS = 2_000;

/** What a test hands in place of the real thing. */
export interface ServerOptions {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  readonly resolver?: NameResolver;
  /** Where whoever watches the database tells what is wrong with it. */
  readonly health?: DatabaseHealth;
  /** Path of a Unix socket on which requests are taken as well. */
  readonly operatorSocket?: string;
  /** In place of AppModule: a server of some parts only. */
  readonly rootModule?: Type;
  readonly databaseLimits?: DatabaseLimits;
  /** Of whoever opened the database and closes it after the server; otherwise the server takes it. */
  readonly lock?: DatabaseLock;
}

/** A server that listens. */
export interface RunningServer {
  readonly config: Config;
  /** Nest's container: `app.get(SomeService)`. */
  readonly app: NestFastifyApplication;
  readonly httpPort: number | null;
  readonly httpsPort: number | null;
  /** Resolves with a sentence when it has to be stopped, because another process has taken over its database. */
  readonly ended: Promise<string>;
  /** Takes no new requests, ends long polls, flushes queues, closes the database. Idempotent. */
  stop(): Promise<void>;
  /** Ends as a killed process does: connections of all kinds are dropped, nothing is flushed. */
  crash(): Promise<void>;
}

/** The folder of `migrations/`, seen from the sources and from the build alike. */
export function migrationsFolder(): string {
  const here = fileURLToPath(import.meta.url);
  const root = here.slice(0, here.lastIndexOf('/apps/homeserver/')).replace(/\/dist$/, '');
  return `${root}/migrations`;
}

/**
 * Starts one server: database, migrations, modules, sockets. Several may run in one process.
 *
 * @throws when the database, a migration, a module or a port fails; nothing is left running then
 */
export async function startServer(config: Config, options: ServerOptions = {}): Promise<RunningServer> {
  const log = options.log ?? new Log('info', { server: config.serverName });
  const stopping = new Stopping();
  const clock = options.clock ?? new Clock();
  const { databaseLimits: limits = usualLimits } = options;
  const tenure = new Tenure();
  const health = options.health ?? new DatabaseHealth(log);
  const unreachable = (error: unknown): never => {
    throw connectionError(error, config.databaseFolder === null ? 'DATABASE_URL' : null);
  };
  const lock = options.lock ?? (await DatabaseLock.take(config.databaseUrl, limits.takeOverMs, log).catch(unreachable));
  const releaseLock = async (): Promise<void> => (options.lock ? undefined : lock.release());
  let app: NestFastifyApplication | undefined;
  let dataSource: DataSource | undefined;
  try {
    await lock.begin(config.serverName, clock.now());
    dataSource = await openDataSource(config.databaseUrl, { entities, migrations: readMigrations(migrationsFolder()) }, limits, tenure).catch(unreachable);
    const database = databaseOf(dataSource, limits, tenure, () => health.isFull);
    await checkDatabase(dataSource);
    await migrate(dataSource, limits);
    database.hold(await lock.hold(config.serverName, clock.now()));
    lock.watch(tenure);
    let listeners!: Listeners;
    const adapter = new FastifyAdapter({
      ...fastifyOptions,
      serverFactory: (handler: RequestListener) => {
        listeners = new Listeners(config, handler, options.operatorSocket ?? null);
        return listeners.hub;
      },
    });
    const core = CoreModule.with({
      config,
      clock,
      random: options.random ?? new Random(),
      log,
      stopping,
      database,
      health,
      resolver: options.resolver ?? new SystemResolver(),
    });
    app = await NestFactory.create<NestFastifyApplication>({ module: options.rootModule ?? AppModule, imports: [core] }, adapter, {
      logger: false,
      abortOnError: false,
      bodyParser: false,
    });
    app.useWebSocketAdapter(new WsAdapter(app));
    adapter.getInstance().decorate('stopping', stopping.signal);
    installHttp(adapter.getInstance(), app.get(RouteTable), app.get(AuthSchemes));
    await app.init();
    await adapter.getInstance().ready();
    await listeners.open();
    return runningServer({ config, app, dataSource, database, listeners, stopping, ended: tenure.ended, releaseLock });
  } catch (error) {
    stopping.begin();
    await app?.close().catch(() => undefined);
    await dataSource?.destroy().catch(() => undefined);
    await releaseLock();
    throw error;
  }
}

/** What a server is made of, for its end. */
interface ServerParts {
  readonly config: Config;
  readonly app: NestFastifyApplication;
  readonly dataSource: DataSource;
  readonly database: Database;
  readonly listeners: Listeners;
  readonly stopping: Stopping;
  readonly ended: Promise<string>;
  readonly releaseLock: () => Promise<void>;
}

function runningServer({ config, app, dataSource, database, listeners, stopping, ended: isOver, releaseLock }: ServerParts): RunningServer {
  let ended: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    const closed = listeners.close(STOP_GRACE_MS);
    stopping.begin();
    await closed;
    database.stop();
    try {
      await app.close();
    } finally {
      await dataSource.destroy();
      await releaseLock();
    }
  };
  const crash = async (): Promise<void> => {
    dropConnections(dataSource);
    const released = releaseLock();
    database.stop();
    const closed = listeners.close(0);
    stopping.begin();
    await closed;
    // What the modules still try to write fails, because no connection is left.
    await app.close().catch(() => undefined);
    await released;
  };
  return {
    config,
    app,
    httpPort: listeners.port('http'),
    httpsPort: listeners.port('https'),
    ended: isOver,
    stop: () => (ended ??= stop()),
    crash: () => (ended ??= crash()),
  };
}
