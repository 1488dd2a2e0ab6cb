import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { HeardRecords, HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { Config } from '../../config/config.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { RemoteError } from '../../federation/outgoing/remote-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import type { Transaction } from '../../storage/database.js';
import { HomeConsents } from '../records/home-consents.js';
import { HomeRecords, type RecordBringer } from '../records/home-records.js';
import { versionKey, versionOfHeard, type RecordVersion } from '../records/record-version.js';
import { DueRows } from '../../storage/due-rows.js';
import { KnownServers } from './known-servers.js';
import { RecordTellingsStore, type RecordTelling } from './record-tellings.store.js';

const TIMEOUT_MS = 10_000;
/** Rows that are taken at once. */
const PAGE = 200;

/**
 * Tells servers of the records of accounts that live here, or did until then (protocol §2, "Telling and asking"): the homes old
 * and new, and servers that asked for keys. What is left to do is in the database, written in the record's transaction, until
 * each server has answered, however long that takes. Servers that never agreed to be a home are not told.
 */
@Injectable()
export class RecordSpread implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #slots = new FairSlots(fairLimits(32));
  /** What is on its way, by account and destination. */
  readonly #sending = new Map<string, Promise<void>>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #rows: DueRows;

  constructor(
    private readonly config: Config,
    private readonly store: RecordTellingsStore,
    private readonly known: KnownServers,
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly consents: HomeConsents,
    private readonly federation: FederationClient,
    private readonly destinations: Destinations,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {
    this.#rows = new DueRows(() => this.#begin(), () => this.clock.steady(), (error) => this.log.error('records could not be told', error));
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#slots.learnFrom(this.destinations);
    this.#unsubscribe.push(
      this.records.onStoring((heard, previous, from) => this.#writer(heard, previous, from)),
      this.destinations.onAlive((server) => {
        this.store.wake(server).then(() => this.#rows.wake(), (error: unknown) => this.log.error('records could not be told', error, { server }));
      }),
    );
    await this.store.wake();
    this.#rows.wake();
  }

  async onModuleDestroy(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await this.#rows.stop();
    await Promise.allSettled(this.#sending.values());
  }

  /**
   * The homes of the account's highest record that have it, by what they answered; this server among them.
   *
   * @param waitMs how long to wait for those that are being told
   */
  async told(record: HomeRecord, waitMs: number): Promise<string[]> {
    await Promise.race([this.#settled(record.user_id), pause(waitMs, undefined, { ref: false })]);
    const open = new Set(await this.store.open(record.user_id));
    const told: string[] = [];
    for (const { server_name: name } of record.homes) {
      if (name === this.config.serverName || (!open.has(name) && (await this.consents.of(record, name)) === 'given')) told.push(name);
    }
    return told;
  }

  /** A server said which records it has; those it need not be told of. */
  async shown(server: string, versions: ReadonlyMap<string, RecordVersion>): Promise<void> {
    const here = [...versions].filter(([userId]) => this.directory.has(userId));
    if (here.length > 0) await this.store.shown(server, new Map(here.map(([userId, version]) => [userId, versionKey(version)])));
  }

  async #settled(userId: string): Promise<void> {
    await this.#rows.settled();
    await Promise.allSettled([...this.#sending].flatMap(([key, sending]) => (key.startsWith(`${userId} `) ? sending : [])));
  }

  async #writer(heard: HeardRecords, previous: HomeRecord | undefined, from: RecordBringer): Promise<(tx: Transaction) => Promise<void>> {
    const { record } = heard;
    const sha256 = versionKey(versionOfHeard(heard));
    const servers = await this.known.of(heard, previous, from);
    return async (tx) => {
      if (servers.size === 0) return;
      await this.store.put(tx, [...servers].map(([destination, entry]) => ({ userId: record.user_id, destination, sha256, entry })));
      tx.afterCommit(() => this.#rows.wake());
    };
  }

  /** Begins to tell whoever is to be told now. @returns when somebody is again; null when nobody is left */
  async #begin(): Promise<number | null> {
    for (let page = PAGE; page === PAGE && !this.#rows.stopped;) {
      const due = await this.store.claim(this.clock.steady(), PAGE);
      page = due.length;
      for (const telling of due) this.#tell(telling);
    }
    return this.store.next();
  }

  #tell(telling: RecordTelling): void {
    const key = `${telling.userId} ${telling.destination}`;
    const before = this.#sending.get(key) ?? Promise.resolve();
    const sending = before
      .then(() => this.#slots.run({ account: telling.userId, destination: telling.destination }, () => this.#send(telling)))
      .then(() => this.store.done(telling))
      .catch(async (error: unknown) => {
        if (this.#rows.stopped) return;
        this.log.debug('a server could not be told of a record', { destination: telling.destination, userId: telling.userId, reason: String(error) });
        await this.store.failed(telling, this.clock.steady()).catch((failure: unknown) => this.log.error('records could not be told', failure));
        this.#rows.wake();
      })
      .finally(() => {
        if (this.#sending.get(key) === sending) this.#sending.delete(key);
      });
    this.#sending.set(key, sending);
  }

  /** Resolves when the server has answered, or never agreed to be told; throws when it is to be told later. */
  async #send({ userId, destination, entry, attempts }: RecordTelling): Promise<void> {
    const heard = await this.records.heard(userId);
    if (!heard) return;
    const { record, rivals } = heard;
    if (entry) {
      const consent = await this.consents.of({ ...record, homes: [entry] }, destination);
      if (consent === 'refused') return;
      if (consent === 'unknown') throw new Error('whether it has agreed to be a home cannot be told now');
    }
    try {
      for (const body of [record, ...rivals]) {
        const answer = await this.federation.request({
          destination, method: 'POST', path: '/_matrix/federation/unstable/io.partyline/record', body, timeoutMs: TIMEOUT_MS,
          ignoreBackoff: attempts === 0,
        });
        // It may know of a higher one.
        if (answer['user_id'] === userId) await this.records.accept(answer, destination);
      }
    } catch (error) {
      // A refusal is an answer, too; that it fails now or has too much to do is none.
      if (!(error instanceof RemoteError) || error.remoteStatus >= 500 || error.remoteStatus === 429) throw error;
      this.log.info('a server refused a record', { destination, userId, reason: String(error) });
    }
  }
}
