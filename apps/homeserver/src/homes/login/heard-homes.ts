import { Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Authenticator } from '../../auth/authenticator.js';
import { Sessions } from '../../auth/sessions.js';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { SharedAccounts } from '../ops/shared-accounts.js';
import { HomeConsents } from '../records/home-consents.js';
import { HomeRecords } from '../records/home-records.js';
import { RecordExchange } from '../records/record-exchange.js';

/** A home that heard no other home of an account for so long may have been dropped meanwhile (protocol §2). */
const UNHEARD_MS = 60_000;
/** Peers are asked before that, so that nobody has to wait. */
const ASK_AFTER_MS = 40_000;
const LOOK_MS = 10_000;
/** Somebody waits for it. */
const TIMEOUT_MS = 3_000;
/** Accounts whose records are looked at for the peer's consent. */
const MAX_LOOKED_AT = 50;
/** The server listens by then, so that the others can ask for its keys. */
const START_MS = 100;

/**
 * Sees to it that this home serves an account by a record that the account's other homes have not outdated: after a start, and
 * after a minute without any of them, each is asked once for all accounts that it shares with this server, before anybody logs in
 * or goes on with a session. Whoever does not answer within three seconds is asked again while this home serves.
 */
@Injectable()
export class HeardHomes implements OnApplicationBootstrap, OnModuleDestroy {
  /** When a peer was last asked, milliseconds. */
  readonly #asked = new Map<string, number>();
  /** Peers that did not answer when they were asked last. */
  readonly #silent = new Set<string>();
  #lastLook = Number.NaN;
  readonly #asking = new Map<string, Promise<void>>();
  readonly #slots = new FairSlots(fairLimits(64));
  readonly #unsubscribe: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(
    private readonly shared: SharedAccounts,
    private readonly records: HomeRecords,
    private readonly consents: HomeConsents,
    private readonly exchange: RecordExchange,
    private readonly destinations: Destinations,
    private readonly authenticator: Authenticator,
    private readonly sessions: Sessions,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  onApplicationBootstrap(): void {
    this.#slots.learnFrom(this.destinations);
    this.authenticator.guard((userId) => this.ready(userId));
    this.sessions.guard((userId) => this.ready(userId));
    this.#unsubscribe.push(this.destinations.onAlive((server) => {
      if (this.#silent.has(server)) void this.#ask(server);
    }));
    this.#timer = setTimeout(() => this.#look(), START_MS).unref();
  }

  async onModuleDestroy(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await Promise.allSettled(this.#asking.values());
  }

  /** Undefined when the account may be served now; else resolves when it may, within three seconds. */
  ready(userId: string): Promise<void> | undefined {
    const others = this.shared.others(userId);
    if (others.length === 0 || this.#isHeard(others)) return undefined;
    return Promise.all(others.map((server) => this.#ask(server))).then(() => undefined);
  }

  /** Whether the account has other homes, none of which was heard for a minute: its record may have been outdated since. */
  isUnconfirmed(userId: string): boolean {
    const others = this.shared.others(userId);
    const age = (server: string): number => Math.abs(this.clock.now() - this.destinations.lastContact(server));
    return others.length > 0 && others.every((server) => this.#silent.has(server) || age(server) >= UNHEARD_MS);
  }

  #isHeard(others: readonly string[]): boolean {
    return others.every((server) => this.#asked.has(server)) && others.some((server) => this.#age(server) < UNHEARD_MS);
  }

  /** Milliseconds since the peer was heard or asked; a clock that went back has proved nothing. */
  #age(server: string): number {
    const now = this.clock.now();
    const ages = [now - this.destinations.lastContact(server), now - (this.#asked.get(server) ?? 0)].filter((age) => age >= 0);
    return ages.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...ages);
  }

  #look(): void {
    const now = this.clock.now();
    // This process was held, or the clock jumped: nobody knows what was missed.
    if (Math.abs(now - this.#lastLook) > UNHEARD_MS) this.#asked.clear();
    this.#lastLook = now;
    const peers = new Set<string>();
    for (const userId of this.shared.all()) for (const server of this.shared.others(userId)) peers.add(server);
    for (const server of this.#asked.keys()) {
      if (peers.has(server)) continue;
      this.#asked.delete(server);
      this.#silent.delete(server);
    }
    for (const server of peers) if (!this.#asked.has(server) || this.#age(server) >= ASK_AFTER_MS) void this.#ask(server);
    if (!this.#stopped) this.#timer = setTimeout(() => this.#look(), LOOK_MS).unref();
  }

  /** Resolves when the peer has answered, or is known not to. */
  #ask(server: string): Promise<void> {
    const asking = this.#asking.get(server) ?? this.#start(server);
    this.#asking.set(server, asking);
    return asking;
  }

  async #start(server: string): Promise<void> {
    const isFirst = !this.#asked.has(server);
    const wasHeard = !isFirst && !this.#silent.has(server) && this.#age(server) < UNHEARD_MS;
    const shared = [...this.shared.all()].filter((userId) => this.shared.others(userId).includes(server));
    // Nothing was missed while the peer was heard: it tells of each record.
    const accounts = wasHeard ? [] : shared;
    try {
      if (!(await this.#hasAgreed(server, shared))) return;
      const work = async (): Promise<string> => (await this.exchange.ask(server, accounts, { timeoutMs: TIMEOUT_MS, ignoreBackoff: isFirst })).outcome;
      const outcome = await Promise.race([this.#slots.run({ destination: server }, work), timeout(TIMEOUT_MS)]);
      if (outcome !== 'silent') this.#silent.delete(server);
      else this.#silent.add(server);
    } catch (error) {
      if (!this.#stopped) this.log.error('a home could not be asked for records', error, { server });
    } finally {
      this.#asked.set(server, this.clock.now());
      this.#asking.delete(server);
    }
  }

  /** Anybody can write another's server into a record. */
  async #hasAgreed(server: string, userIds: readonly string[]): Promise<boolean> {
    for (const userId of userIds.slice(0, MAX_LOOKED_AT)) {
      const record = await this.records.get(userId);
      if (record && (await this.consents.of(record, server)) === 'given') return true;
    }
    return false;
  }
}

function timeout(ms: number): Promise<'silent'> {
  return new Promise((resolve) => setTimeout(() => resolve('silent'), ms).unref());
}
