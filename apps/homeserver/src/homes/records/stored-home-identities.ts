import { Injectable } from '@nestjs/common';
import {
  isSelfCertifying, localpartOf, serverNameOf, signHomeRecord, signingKeyFromSeed, type HomeRecord, type SigningKey,
} from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { KeyedQueue } from '../../observability/keyed-queue.js';
import { Random } from '../../observability/random.js';
import { Database } from '../../storage/database.js';
import { HomeKeyStore } from './home-key.store.js';
import { HomeKeys } from './home-keys.js';
import { HomeRecords } from './home-records.js';

/** Home identities from the database. Accounts whose clients know nothing of home records get one in custody. */
@Injectable()
export class StoredHomeIdentities extends HomeIdentities {
  readonly #inTurn = new KeyedQueue();

  constructor(
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly keys: HomeKeys,
    private readonly keyStore: HomeKeyStore,
    private readonly config: Config,
    private readonly db: Database,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {
    super();
  }

  override async record(userId: string): Promise<HomeRecord> {
    if (!this.directory.has(userId)) throw MatrixError.notFound('There is no such account here');
    const known = await this.records.get(userId);
    return known ?? this.#inTurn.run(userId, async () => (await this.records.get(userId)) ?? this.#found(userId));
  }

  override async isKeyWithOwner(userId: string): Promise<boolean> {
    return (await this.records.get(userId)) !== undefined && (await this.keyStore.custody(userId)) === undefined;
  }

  override async pinnedMasterKey(userId: string): Promise<string | null> {
    return (await this.records.get(userId))?.master_key ?? null;
  }

  override async signer(userId: string): Promise<{ record: HomeRecord; key: SigningKey }> {
    const record = await this.record(userId);
    const entry = (await this.records.homesOf(userId)).find((home) => home.server_name === this.config.serverName);
    const key = await this.keys.find(userId);
    // Of an ended account only the leaves are allowed, by the record that the room has (docs/protocol.md, "Deactivation").
    if (record.deactivated && key) return { record, key };
    if (!entry || !key || entry.key_id !== key.keyId || entry.key !== key.publicKey) {
      throw MatrixError.forbidden('This server is no home of the account now');
    }
    return { record, key };
  }

  /** Makes the first record of an account of this domain. */
  async #found(userId: string): Promise<HomeRecord> {
    if (serverNameOf(userId) !== this.config.serverName || isSelfCertifying(userId)) {
      throw MatrixError.notFound('The account has no home record yet');
    }
    return this.db.transaction(async (tx) => {
      const account = this.random.bytes(32);
      const recovery = this.random.bytes(32);
      const accountKey = signingKeyFromSeed('ed25519:account', account);
      const genesis = {
        label: localpartOf(userId),
        server_name: this.config.serverName,
        recovery_key: signingKeyFromSeed('ed25519:recovery', recovery).publicKey,
        account_key: accountKey.publicKey,
        created_ts: this.clock.now(),
      };
      const homeKey = await this.keys.findOrMake(userId, tx);
      const record = signHomeRecord(
        {
          user_id: userId, genesis, account_key_cert: null, epoch: 0, seq: 0, master_key: null,
          homes: [this.keys.entry(userId, homeKey, 0)],
          endorsement: this.keys.endorse(genesis),
        },
        (text) => accountKey.sign(text),
      );
      await this.keyStore.insertCustody(tx, userId, { account, recovery });
      await this.records.found(tx, record);
      return record;
    });
  }
}
