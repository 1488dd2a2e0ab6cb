import { Injectable } from '@nestjs/common';
import { acceptedInput, endorsementInput, signingKeyFromSeed, type HomeEntry, type HomeRecord, type SigningKey } from '#federation';
import { ServerKeys } from '../../federation/keys/server-keys.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { Database, type Queryable } from '../../storage/database.js';
import { HomeKeyStore } from './home-key.store.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Keys in memory; a KeyObject is a few hundred bytes. */
const MAX_CACHED = 20_000;
const DEFAULT_PRIORITY = 10;

/** The home keys of accounts at this server, and what this server signs so that an account can live here. */
@Injectable()
export class HomeKeys {
  readonly #keys = boundedCache<string, SigningKey>(MAX_CACHED);

  constructor(
    private readonly store: HomeKeyStore,
    private readonly serverKeys: ServerKeys,
    private readonly db: Database,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** The key of an account here, if this server has made one. */
  async find(userId: string): Promise<SigningKey | undefined> {
    const cached = this.#keys.get(userId);
    if (cached) return cached;
    const stored = await this.store.key(userId);
    if (!stored) return undefined;
    const key = signingKeyFromSeed(stored.keyId, stored.seed);
    this.#keys.set(userId, key);
    return key;
  }

  /** The same, made if need be. */
  async findOrMake(userId: string, db: Queryable = this.db): Promise<SigningKey> {
    const known = await this.find(userId);
    if (known) return known;
    // The prefix keeps it apart from the server's own keys, beside which it stands in the signatures of an event.
    const keyId = `ed25519:h_${this.random.bytes(4).toString('hex')}`;
    const seed = this.random.bytes(32);
    if (!(await this.store.insertKey(db, userId, { keyId, seed }, this.clock.now()))) return (await this.find(userId))!;
    return signingKeyFromSeed(keyId, seed);
  }

  /** This server's entry for `homes` of the account's record, with its consent. */
  entry(userId: string, key: SigningKey, priority = DEFAULT_PRIORITY): HomeEntry {
    const { serverName, signing } = this.serverKeys;
    const accepted = { [signing.keyId]: signing.sign(acceptedInput(userId, key.publicKey, serverName)) };
    return { server_name: serverName, key_id: key.keyId, key: key.publicKey, priority, accepted };
  }

  /** This server's word that a named account of its domain has this genesis. */
  endorse(genesis: HomeRecord['genesis']): Record<string, string> {
    const { signing } = this.serverKeys;
    return { [signing.keyId]: signing.sign(endorsementInput(genesis)) };
  }
}
