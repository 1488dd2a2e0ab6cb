import { mkdirSync } from 'node:fs';
import type { Type } from '@nestjs/common';
import type { Config } from '../../apps/homeserver/src/config/config.js';
import { Log, type LogLevel } from '../../apps/homeserver/src/observability/log.js';
import { startServer, type RunningServer, type ServerOptions } from '../../apps/homeserver/src/server.js';
import { watchTransport } from './watched-transport.js';

/** A real server of a test network, in this process. It can be stopped, crashed and started again on its data. */
export class TestServer {
  #running: RunningServer | null = null;

  /** @param label what the test calls it, e.g. `a` */
  constructor(
    readonly label: string,
    readonly config: Config,
    private readonly options: Pick<ServerOptions, 'clock' | 'rootModule' | 'resolver' | 'databaseLimits'> = {},
  ) {}

  /** The server name: `localhost:<TLS port>`. */
  get name(): string {
    return this.config.serverName;
  }

  /** Base of the plain HTTP address, without trailing slash. */
  get url(): string {
    return `http://localhost:${this.config.httpPort}`;
  }

  get isRunning(): boolean {
    return this.#running !== null;
  }

  /** One of the server's injectables, from any of its modules. */
  get<T>(type: Type<T> | (abstract new (...args: never[]) => T)): T {
    if (!this.#running) throw new Error(`${this.label} does not run`);
    return this.#running.app.get<T>(type as Type<T>, { strict: false });
  }

  /** Resolves when another process has taken over its database. */
  get ended(): Promise<string> {
    if (!this.#running) throw new Error(`${this.label} does not run`);
    return this.#running.ended;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    mkdirSync(this.config.dataDir, { recursive: true });
    this.#running = await startServer(this.config, {
      ...this.options,
      // PARTYLINE_TEST_LOG=debug shows the servers' logs.
      log: new Log((process.env['PARTYLINE_TEST_LOG'] ?? 'silent') as LogLevel, { server: this.label }),
    });
    watchTransport(this);
  }

  /** Graceful end. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.stop();
  }

  /** Ends as with kill -9: nothing is flushed, all connections are dropped. */
  async crash(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    await running?.crash();
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }
}
