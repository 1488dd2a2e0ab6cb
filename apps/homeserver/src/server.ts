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
import type { DatabaseLimits } from './storage/database-limits.js';
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
}

/** A server that listens. */
export interface RunningServer {
  readonly config: Config;
  /** Nest's container: `app.get(SomeService)`. */
  readonly app: NestFastifyApplication;
  readonly httpPort: number | null;
  readonly httpsPort: number | null;
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
  const health = options.health ?? new DatabaseHealth(log);
  const dataSource = await openDataSource(config.databaseUrl, { entities, migrations: readMigrations(migrationsFolder()) }, options.databaseLimits).catch((error: unknown) => {
    throw connectionError(error, config.databaseFolder === null ? 'DATABASE_URL' : null);
  });
  const database = databaseOf(dataSource, options.databaseLimits, () => health.isFull);
  let app: NestFastifyApplication | undefined;
  try {
    await checkDatabase(dataSource);
    await migrate(dataSource, options.databaseLimits);
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
      clock: options.clock ?? new Clock(),
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
    return runningServer({ config, app, dataSource, database, listeners, stopping });
  } catch (error) {
    stopping.begin();
    await app?.close().catch(() => undefined);
    await dataSource.destroy().catch(() => undefined);
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
}

function runningServer({ config, app, dataSource, database, listeners, stopping }: ServerParts): RunningServer {
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
    }
  };
  const crash = async (): Promise<void> => {
    dropConnections(dataSource);
    database.stop();
    const closed = listeners.close(0);
    stopping.begin();
    await closed;
    // What the modules still try to write fails, because no connection is left.
    await app.close().catch(() => undefined);
  };
  return {
    config,
    app,
    httpPort: listeners.port('http'),
    httpsPort: listeners.port('https'),
    stop: () => (ended ??= stop()),
    crash: () => (ended ??= crash()),
  };
}
