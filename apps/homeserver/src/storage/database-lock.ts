import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import type { Log } from '../observability/log.js';
import { assertOwner, holdDatabase, readHolder, type Holder } from './database-holder.js';
import type { Tenure } from './tenure.js';

/** Key of the advisory lock that a server holds as long as it lives ("serve" in ASCII, cut). */
const HELD = 0x73657276;
/** Key of the lock that all its connections share, by which those of a former process are found ("part"…"conn", cut). */
export const CONNECTED = 0x636f6e6e;
const POLL_MS = 200;
const CONNECT_MS = 10_000;
const ANSWER_MS = 5_000;
/** How often it is looked whether the lock is still held, and by whom the database. */
const LOOK_EVERY_MS = 10_000;
/** Connections of a former process end within this time. */
const END_MS = 10_000;
/** A peer that is gone is noticed after 20 s: then the lock of a machine that is off is free. */
const SESSION = 'SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 5';

const inThisDatabase = `locktype = 'advisory' AND classid = 0 AND objsubid = 1 AND granted
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`;
const endFormer = `SELECT pid, pg_terminate_backend(pid) FROM pg_locks WHERE objid = ${CONNECTED} AND pid <> pg_backend_pid() AND ${inThisDatabase}`;
const endOwn = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE objid = ${HELD} AND pid = $1 AND ${inThisDatabase}`;

/**
 * That a database serves one server process at a time: a lock in the database itself, which ends with the connection of its holder,
 * however that died (a lock file would outlive a kill), and an epoch that each holder raises, and each transaction is checked
 * against, for a holder who does not know yet that his connection is lost.
 */
export class DatabaseLock {
  #timer: NodeJS.Timeout | undefined;
  #epoch: number | undefined;
  #isReleased = false;

  private constructor(
    private readonly url: string,
    private client: pg.Client,
  ) {}

  /** Undefined when another process holds it. */
  static async tryTake(url: string): Promise<DatabaseLock | undefined> {
    const client = await connect(url);
    if (await lock(client)) return new DatabaseLock(url, client);
    await client.end();
    return undefined;
  }

  /**
   * The same, for somebody who may be about to end.
   *
   * @throws Error with a sentence that says who holds it
   */
  static async take(url: string, waitMs: number, log: Log): Promise<DatabaseLock> {
    for (let waited = 0; ; waited += POLL_MS) {
      const taken = await DatabaseLock.tryTake(url);
      if (taken) return taken;
      if (waited >= waitMs) {
        throw new Error(`This database is in use by ${await DatabaseLock.holder(url)}: end that one first, or give this one a database of its own (DATABASE_URL).`);
      }
      if (waited === 0) log.warn('waiting for another server to leave the database');
      await pause(POLL_MS);
    }
  }

  /** Who holds the database, for people. */
  static async holder(url: string): Promise<string> {
    const client = await connect(url);
    try {
      const holder = await readHolder(client);
      return holder ? `the server ${holder.server_name} (${nameOf(holder)})` : 'another server';
    } finally {
      await client.end();
    }
  }

  /**
   * Makes the database this process's, before anything is changed in it: whoever held it before cannot write any more, and what
   * he began has ended.
   *
   * @throws SettingsError when it belongs to a server of another name
   */
  async begin(serverName: string, now: number): Promise<void> {
    await assertOwner(this.client, serverName);
    this.#epoch = await holdDatabase(this.client, serverName, now);
    for (let waited = 0; (await this.client.query(endFormer)).rowCount! > 0; waited += POLL_MS) {
      if (waited >= END_MS) throw new Error('Connections of an earlier process of this server to the database could not be ended. End that process, and start again.');
      await pause(POLL_MS);
    }
  }

  /** After the migrations. @returns the epoch of this process */
  async hold(serverName: string, now: number): Promise<number> {
    return (this.#epoch ??= (await holdDatabase(this.client, serverName, now))!);
  }

  /** Takes care of the lock for as long as the server lives, and ends its time when another process has the database. */
  watch(tenure: Tenure): void {
    this.#attend(tenure);
    this.#timer = setInterval(() => void this.#look(tenure), LOOK_EVERY_MS).unref();
  }

  /** It is not gained again when its connection ends. */
  leave(): void {
    this.#isReleased = true;
    clearInterval(this.#timer);
  }

  async release(): Promise<void> {
    this.leave();
    await Promise.race([this.client.end(), pause(ANSWER_MS, undefined, { ref: false })]);
  }

  #attend(tenure: Tenure): void {
    this.client.once('end', () => {
      if (!this.#isReleased) void this.#regain(tenure);
    });
  }

  async #look(tenure: Tenure): Promise<void> {
    const { client } = this;
    try {
      const holder = await readHolder(client);
      if (holder && Number(holder.epoch) !== tenure.epoch) tenure.end(takenBy(holder));
    } catch {
      // Where it is silent, too: then it is gained on another connection.
      await client.end();
    }
  }

  /** The database was started anew, or the connection was cut. */
  async #regain(tenure: Tenure): Promise<void> {
    const { processID: lost } = this.client as pg.Client & { processID: number | null };
    while (!this.#isReleased && !tenure.isOver) {
      if (await this.#tryAgain(tenure, lost).catch(() => false)) return;
      await pause(POLL_MS, undefined, { ref: false });
    }
  }

  /**
   * The epoch says all: it is raised on the connection that holds the lock and on no other, before anything is read or written (`begin`). So who
   * has the lock again and finds his own epoch knows that nobody had the database meanwhile; at most somebody had the lock, and lost it at once. That it
   * cannot be had says nothing: the session that was lost may end between two questions.
   *
   * @returns whether that is all that is to be done
   */
  async #tryAgain(tenure: Tenure, lost: number | null): Promise<boolean> {
    const client = await connect(this.url);
    try {
      const isLocked = await lock(client);
      // The database may not have noticed yet that the connection is lost.
      if (!isLocked) await client.query(endOwn, [lost]);
      const holder = await readHolder(client);
      if (Number(holder?.epoch) !== tenure.epoch) {
        tenure.end(takenBy(holder));
        return true;
      }
      // Held by this process's own session, which ends, or by somebody who has not begun: if he does, the epoch tells.
      if (!isLocked) return false;
      if (this.#isReleased) return true;
      this.client = client;
      this.#attend(tenure);
      return true;
    } finally {
      if (this.client !== client) await client.end();
    }
  }
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: url, connectionTimeoutMillis: CONNECT_MS, query_timeout: ANSWER_MS, keepAlive: true, keepAliveInitialDelayMillis: CONNECT_MS,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query(SESSION);
  } catch (error) {
    await client.end();
    throw error;
  }
  return client;
}

async function lock(client: pg.Client): Promise<boolean> {
  return (await client.query<{ locked: boolean }>('SELECT pg_try_advisory_lock($1) AS locked', [HELD])).rows[0]!.locked;
}

function nameOf(holder: Holder): string {
  return `${holder.holder}, since ${new Date(Number(holder.since_ts)).toISOString()}`;
}

function takenBy(holder: Holder | undefined): string {
  return `Another process has taken over this server's database${holder ? ` (${nameOf(holder)})` : ''}; this one ends.`;
}
