import { setTimeout as timer } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { canonicalJson, isServerName, verifyJson, verifySignatureAsync, type JsonObject } from '#federation';
import { parseJson, parseStoredJson } from '#json';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { ServerRequests } from '../outgoing/server-requests.js';
import { FairSlots, fairLimits } from '../outgoing/fair-slots.js';
import { readKeyResponse, type KeyResponse } from './key-response.js';
import { KeyStore, type StoredKey, type StoredResponse } from './key.store.js';
import { ServerKeys } from './server-keys.js';
import { SharedRuns } from '../../observability/shared-runs.js';
import { boundedCache } from '../../storage/bounded-cache.js';

interface KnownServer {
  readonly keys: ReadonlyMap<string, StoredKey>;
  /** Not asked again before. */
  readonly nextFetchAt: number;
  readonly failures: number;
}

/** A signed key answer and the keys that it lists as in use: id → Base64. */
export interface ListedKeys {
  readonly json: string;
  readonly keys: ReadonlyMap<string, string>;
}

const MAX_SERVERS = 10_000;
/** What is proven for good by a key needs a fresh answer. */
const LISTED_MAX_AGE_MS = 10 * 60_000;
/** Somebody waits; after that the last answer counts. */
const LISTED_PATIENCE_MS = 4_000;
/** `valid_until_ts` counts for at most this long (definitions/keys.yaml), so that a stolen key ends some day. */
const MAX_VALIDITY_MS = 7 * 24 * 3_600_000;
/** Forged requests with made-up key ids must not have us flood the server that they name. */
const REFETCH_MS = 10_000;
const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 3_600_000;
/** Notaries that knew nothing of a server are not asked again before. */
const NOTARIES_PAUSE_MS = 60_000;
const TIMEOUT_MS = 15_000;
const MAX_RESPONSE_BYTES = 256 * 1024;
const MAX_SIGNATURES = 10;

/** Public keys of other servers: memory, database, then the server itself, at most once at a time and not too often. */
@Injectable()
export class KeyRing {
  readonly #servers = boundedCache<string, KnownServer>(MAX_SERVERS);
  readonly #refreshes = new SharedRuns<KnownServer>();
  readonly #nothingTold = boundedCache<string, number>(MAX_SERVERS);
  /** Anybody can name servers, before he has proved to be one. */
  readonly #slots = new FairSlots(fairLimits(64, { waiting: 5_000, waitingPerAccount: 500 }));

  constructor(
    private readonly own: ServerKeys,
    private readonly store: KeyStore,
    private readonly requests: ServerRequests,
    private readonly config: Config,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /**
   * A server's key (Base64), fetched when needed. Never rejects because of the server.
   *
   * @param validAt for an event its `origin_server_ts`: the key must have been valid then, and one that was retired later will
   *   do (room version 5 and later). Undefined for a request: the key must be in use now.
   * @param cause whose doing it is that the key is looked for, such as an address; those who cause many fetches wait for each other
   */
  async publicKey(serverName: string, keyId: string, validAt?: number, cause?: string): Promise<string | undefined> {
    if (serverName === this.own.serverName) return this.#ownKey(keyId, validAt);
    if (!isServerName(serverName)) return undefined;
    let known = await this.#known(serverName);
    let key = this.#usable(known, keyId, validAt);
    if (key === undefined && known.nextFetchAt <= this.clock.steady()) {
      known = await this.#fetch(serverName, cause);
      key = this.#usable(known, keyId, validAt);
    }
    return key;
  }

  /** When the server last told its keys to this process; 0 when it never has, or did not answer since. */
  async toldAt(serverName: string): Promise<number> {
    const { failures, nextFetchAt } = await this.#known(serverName);
    return failures > 0 || nextFetchAt === 0 ? 0 : nextFetchAt - REFETCH_MS;
  }

  /**
   * Whether one of the server's signatures of a text is good.
   *
   * @param signatures key id → signature, as in `signatures[serverName]` of the signed object; untrusted
   * @param validAt as in `publicKey`
   */
  async verify(serverName: string, text: string, signatures: unknown, validAt?: number): Promise<boolean> {
    if (typeof signatures !== 'object' || signatures === null) return false;
    for (const [keyId, signature] of Object.entries(signatures).slice(0, MAX_SIGNATURES)) {
      if (typeof signature !== 'string') continue;
      const key = await this.publicKey(serverName, keyId, validAt);
      if (key !== undefined && (await verifySignatureAsync(key, text, signature))) return true;
    }
    return false;
  }

  /** Asks the server for its keys again, unless that was done lately; `anyway` decides in that case. @param cause as in `publicKey` */
  async renew(serverName: string, cause: string, anyway: () => boolean): Promise<void> {
    const isEarly = (await this.#known(serverName)).nextFetchAt > this.clock.steady();
    if (!isEarly || anyway()) await this.#fetch(serverName, cause, isEarly);
  }

  /**
   * The newest key answer of a server that is to be had, with the keys that it lists as in use: what it signs today, as far as
   * anybody can tell. A key that was retired, or that the server does not name any more, is none of them, whatever time is said
   * to have been signed. The last answer of a server that is silent now counts.
   *
   * @param maxAgeMs an older answer is fetched again, if the server answers
   */
  async listed(serverName: string, maxAgeMs = LISTED_MAX_AGE_MS): Promise<ListedKeys | undefined> {
    if (serverName === this.own.serverName) {
      return { json: this.own.published(), keys: new Map([[this.own.keyId, this.own.publicKey]]) };
    }
    if (!isServerName(serverName)) return undefined;
    let stored = await this.store.response(serverName);
    const now = this.clock.now();
    if ((!stored || stored.fetchedTs + maxAgeMs < now) && (await this.#known(serverName)).nextFetchAt <= this.clock.steady()) {
      await Promise.race([this.#fetch(serverName, undefined), timer(LISTED_PATIENCE_MS, undefined, { ref: false })]);
      stored = await this.store.response(serverName);
    }
    stored ??= await this.#askNotaries(serverName);
    const read = stored && readKeyResponse(parseStoredJson(stored.json), serverName);
    if (!read) return undefined;
    return { json: stored!.json, keys: new Map(read.keys.filter((key) => key.expiredTs === null).map((key) => [key.keyId, key.publicKey])) };
  }

  /**
   * What the operator's notaries say of a server that does not answer and was never met here: it proves whose name something is,
   * and authenticates no request.
   */
  async #askNotaries(serverName: string): Promise<StoredResponse | undefined> {
    const { notaries } = this.config;
    if (notaries.length === 0 || (this.#nothingTold.get(serverName) ?? 0) > this.clock.steady()) return undefined;
    const asked = notaries.filter((name) => name !== serverName && name !== this.own.serverName).map((notary) => this.#askNotary(notary, serverName));
    const patience = timer(LISTED_PATIENCE_MS, undefined, { ref: false });
    for (const answer of asked) {
      const json = await Promise.race([answer, patience]);
      if (json === undefined) continue;
      const now = this.clock.now();
      const response: StoredResponse = { json, fetchedTs: now, validUntilTs: now };
      await this.store.save(serverName, [], response);
      return response;
    }
    this.#nothingTold.set(serverName, this.clock.steady() + NOTARIES_PAUSE_MS);
    return undefined;
  }

  /** @returns JSON text of the server's key object, signed by the server and the notary; undefined when it has none, or fails */
  async #askNotary(notary: string, serverName: string): Promise<string | undefined> {
    try {
      const path = `/_matrix/key/v2/query/${encodeURIComponent(serverName)}`;
      const answer = await this.requests.send(notary, { method: 'GET', path, timeoutMs: LISTED_PATIENCE_MS, maxBytes: MAX_RESPONSE_BYTES });
      const { server_keys: given } = parseJson(answer.body.toString('utf8')) as { server_keys?: unknown };
      for (const value of Array.isArray(given) ? (given as JsonObject[]).slice(0, 1) : []) {
        if (!readKeyResponse(value, serverName)) continue;
        const signatures = (value['signatures'] as Record<string, Record<string, string>>)[notary] ?? {};
        for (const keyId of Object.keys(signatures).slice(0, MAX_SIGNATURES)) {
          const key = await this.publicKey(notary, keyId);
          if (key !== undefined && verifyJson(value, notary, keyId, key)) return canonicalJson(value);
        }
      }
    } catch (error) {
      this.log.debug('a notary gave no keys', { notary, server: serverName, error: String(error) });
    }
    return undefined;
  }

  /** Every key of the server that was ever seen here, retired ones too, by id; nothing is fetched. */
  async everSeen(serverName: string): Promise<ReadonlyMap<string, string>> {
    if (serverName === this.own.serverName) return new Map([[this.own.keyId, this.own.publicKey], ...this.own.old.map((key) => [key.keyId, key.publicKey] as const)]);
    return new Map([...(await this.#known(serverName)).keys].map(([keyId, key]) => [keyId, key.publicKey]));
  }

  #ownKey(keyId: string, validAt: number | undefined): string | undefined {
    if (keyId === this.own.keyId) return this.own.publicKey;
    const old = this.own.old.find((key) => key.keyId === keyId);
    return old && validAt !== undefined && validAt <= old.expiredTs ? old.publicKey : undefined;
  }

  #usable(known: KnownServer, keyId: string, validAt: number | undefined): string | undefined {
    const key = known.keys.get(keyId);
    if (!key) return undefined;
    const isUsable = key.expiredTs === null
      ? (validAt ?? this.clock.now()) <= key.validUntilTs
      : validAt !== undefined && validAt <= key.expiredTs;
    return isUsable ? key.publicKey : undefined;
  }

  async #known(serverName: string): Promise<KnownServer> {
    const known = this.#servers.get(serverName);
    if (known) return known;
    const keys = new Map((await this.store.keys(serverName)).map((key) => [key.keyId, key]));
    const loaded = this.#servers.get(serverName) ?? { keys, nextFetchAt: 0, failures: 0 };
    this.#servers.set(serverName, loaded);
    return loaded;
  }

  /** In the turn of whoever caused it, unless somebody else has had it done by then. */
  async #fetch(serverName: string, cause: string | undefined, isForced = false): Promise<KnownServer> {
    try {
      return await this.#slots.run({ account: cause, destination: serverName }, async () => {
        const known = await this.#known(serverName);
        return known.nextFetchAt > this.clock.steady() && !isForced ? known : this.#refreshOnce(serverName);
      });
    } catch (error) {
      // Too much waits: that says nothing about the server.
      if (error instanceof MatrixError) return this.#known(serverName);
      throw error;
    }
  }

  #refreshOnce(serverName: string): Promise<KnownServer> {
    return this.#refreshes.run(serverName, () => this.#refresh(serverName));
  }

  async #refresh(serverName: string): Promise<KnownServer> {
    const before = await this.#known(serverName);
    let refreshed: KnownServer;
    try {
      const { read, json } = await this.#ask(serverName);
      const now = this.clock.now();
      const validUntilTs = Math.min(read.validUntilTs, now + MAX_VALIDITY_MS);
      const keys = read.keys.map((key): StoredKey => ({ ...key, validUntilTs }));
      const response: StoredResponse = { json, fetchedTs: now, validUntilTs };
      await this.store.save(serverName, keys, response);
      const all = new Map(before.keys);
      for (const key of keys) all.set(key.keyId, key);
      refreshed = { keys: all, nextFetchAt: this.clock.steady() + REFETCH_MS, failures: 0 };
    } catch (error) {
      this.log.debug('keys of a server could not be fetched', { server: serverName, error: String(error) });
      const failures = before.failures + 1;
      const delay = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 30));
      refreshed = { keys: before.keys, nextFetchAt: this.clock.steady() + delay, failures };
    }
    this.#servers.set(serverName, refreshed);
    return refreshed;
  }

  async #ask(serverName: string): Promise<{ read: KeyResponse; json: string }> {
    const response = await this.requests.send(serverName, {
      method: 'GET',
      path: '/_matrix/key/v2/server',
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_RESPONSE_BYTES,
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    const json = response.body.toString('utf8');
    const read = readKeyResponse(parseStoredJson(json), serverName);
    if (!read) throw new Error('the key object is not valid');
    return { read, json };
  }
}
