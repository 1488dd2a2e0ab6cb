import { Injectable, type OnModuleInit } from '@nestjs/common';
import { acceptedInput, endorsementInput, signingKeyFromSeed, type EndorsementTerms, type HomeEntry, type HomeRecord, type SigningKey } from '#federation';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { Database, type Transaction } from '../../storage/database.js';
import { HomeKeyStore, type StoredKey } from './home-key.store.js';
import { HomeRecords } from './home-records.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Keys in memory; a KeyObject is a few hundred bytes. */
const MAX_CACHED = 20_000;
const DEFAULT_PRIORITY = 10;

/** The home keys of accounts at this server, and what this server signs so that an account can live here. */
@Injectable()
export class HomeKeys implements OnModuleInit {
  readonly #keys = boundedCache<string, SigningKey>(MAX_CACHED);

  constructor(
    private readonly store: HomeKeyStore,
    private readonly records: HomeRecords,
    private readonly serverKeys: ServerKeys,
    private readonly db: Database,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.records.onStoring(async ({ record, keys }, previous) => {
      const isOurs = previous?.homes.some((home) => home.server_name === this.serverKeys.serverName);
      const key = isOurs ? (await this.find(record.user_id))?.publicKey : undefined;
      if (key === undefined || !previous!.homes.some((home) => home.key === key)) return async () => undefined;
      const isDropped = !record.homes.some((home) => home.key === key) || keys[key]?.[1] === true;
      return isDropped ? (tx) => this.store.drop(tx, record.user_id) : async () => undefined;
    });
  }

  /**
   * The key of an account here, if this server has made one.
   *
   * @param tx of who has one: whoever waits for another connection while he holds his own can wait for himself
   */
  async find(userId: string, tx?: Transaction): Promise<SigningKey | undefined> {
    const cached = this.#keys.get(userId);
    if (cached) return cached;
    const stored = await this.store.key(tx ?? this.db, userId);
    if (!stored) return undefined;
    const key = signingKeyFromSeed(stored.keyId, stored.seed);
    if (tx) tx.afterCommit(() => this.#keys.set(userId, key));
    else this.#keys.set(userId, key);
    return key;
  }

  /** The same, made if need be. */
  async findOrMake(userId: string, tx?: Transaction): Promise<SigningKey> {
    const known = await this.find(userId, tx);
    if (known) return known;
    // The prefix keeps it apart from the server's own keys, beside which it stands in the signatures of an event.
    const { keyId, seed } = this.#made();
    if (!(await this.store.insertKey(tx ?? this.db, userId, { keyId, seed }, this.clock.now()))) return (await this.find(userId, tx))!;
    return signingKeyFromSeed(keyId, seed);
  }

  /**
   * The key that this server offers itself with: another one than a record has dropped, so that what was cut off with the old one does
   * not come back with the server.
   */
  async forOffer(userId: string): Promise<SigningKey> {
    const { keyId, seed } = this.#made();
    const key = signingKeyFromSeed(keyId, seed);
    const isReplaced = await this.db.transaction(async (tx) => {
      const done = await this.store.replaceDropped(tx, userId, { keyId, seed }, this.clock.now());
      if (done) tx.afterCommit(() => this.#keys.set(userId, key));
      return done;
    });
    return isReplaced ? key : this.findOrMake(userId);
  }

  /** Whether something of an account that ended with this epoch, and was here before, may not have been erased yet. */
  async hasLeftovers(userId: string, epoch: number): Promise<boolean> {
    return this.store.hasLeftovers(userId, epoch);
  }

  async erased(userId: string, epoch: number): Promise<void> {
    await this.store.erased(userId, epoch);
  }

  #made(): StoredKey {
    return { keyId: `ed25519:h_${this.random.bytes(4).toString('hex')}`, seed: this.random.bytes(32) };
  }

  /** This server's entry for `homes` of the account's record, with its consent. */
  entry(userId: string, key: SigningKey, priority = DEFAULT_PRIORITY): HomeEntry {
    const { serverName, signing } = this.serverKeys;
    const accepted = { [signing.keyId]: signing.sign(acceptedInput(userId, key.publicKey, serverName)) };
    return { server_name: serverName, key_id: key.keyId, key: key.publicKey, priority, accepted };
  }

  /** This server's consent to an account that it has offered itself to, signed anew; undefined when it has not, or was dropped. */
  async consent(userId: string): Promise<HomeEntry | undefined> {
    const key = (await this.store.isDropped(userId)) ? undefined : await this.find(userId);
    return key && this.entry(userId, key);
  }

  /** This server's word that a named account of its domain has this genesis. */
  endorse(genesis: HomeRecord['genesis'], terms: EndorsementTerms = {}): Record<string, string> {
    const { signing } = this.serverKeys;
    return { [signing.keyId]: signing.sign(endorsementInput(genesis, terms)) };
  }
}
