import { Injectable } from '@nestjs/common';
import { genesisHash, type EndorsementTerms, type HomeGenesis, type HomeRecord } from '#federation';
import { ToDevice } from '../../device-keys/to-device/to-device.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { HomeKeys } from '../records/home-keys.js';

/** So long the owner can put another genesis in the place of one that somebody founded with his password. */
const PROVISIONAL_FOR_MS = 72 * 3_600_000;
/** Type of the message to every device of an account whose genesis this server has endorsed. */
const NOTICE = 'io.partyline.genesis';

const select = statement('account_foundings.get', 'SELECT genesis_sha256, supersedes, is_final, founded_ts FROM account_foundings WHERE user_id = $1');
const upsert = statement(
  'account_foundings.put',
  `INSERT INTO account_foundings (user_id, genesis_sha256, supersedes, is_final, founded_ts) VALUES ($1, $2, $3, $4, $5)
   ON CONFLICT (user_id) DO UPDATE SET genesis_sha256 = $2, supersedes = $3, is_final = $4, founded_ts = $5`,
);

interface Founding {
  genesis_sha256: string;
  supersedes: string | null;
  is_final: boolean;
  founded_ts: number;
}

export interface Endorsed {
  readonly endorsement: Record<string, string>;
  readonly terms?: EndorsementTerms;
}

/**
 * This server's word for geneses of accounts of its domain (protocol §2, "Named accounts"). Of an account that exists it is provisional
 * at first: whoever had the password for an hour must not have the account for good.
 */
@Injectable()
export class Foundings {
  constructor(
    private readonly keys: HomeKeys,
    private readonly toDevice: ToDevice,
    private readonly db: Database,
    private readonly random: Random,
    private readonly clock: Clock,
  ) {}

  /** Whether the account may be given this genesis: it has none, or one that is provisional. */
  static isOpen(known: HomeRecord | undefined): boolean {
    return known === undefined || known.endorsement_terms?.provisional === true;
  }

  /**
   * Endorses a genesis for an account that exists, at its owner's word, and tells all sessions.
   *
   * @param known the account's record, if it has one
   * @throws MatrixError 403 `M_FORBIDDEN` when it has a final one
   */
  async endorse(userId: string, genesis: HomeGenesis, known: HomeRecord | undefined): Promise<Endorsed> {
    const hash = genesisHash(genesis);
    const before = await this.#find(userId);
    if (before?.is_final && before.genesis_sha256 !== hash) throw MatrixError.forbidden('The account has another genesis');
    if (before?.is_final) return { endorsement: this.keys.endorse(genesis) };
    const earlier = before?.genesis_sha256 ?? (known && genesisHash(known.genesis));
    const supersedes = earlier === hash ? before?.supersedes : earlier;
    const terms: EndorsementTerms = { provisional: true, ...(supersedes ? { supersedes } : {}) };
    const now = this.clock.now();
    if (before?.genesis_sha256 !== hash) {
      await this.#put(this.db, userId, hash, supersedes ?? null, false, now);
      await this.#tell(userId, { genesis_sha256: hash, ...terms, founded_ts: now, final_ts: now + PROVISIONAL_FOR_MS });
    }
    return { endorsement: this.keys.endorse(genesis, terms), terms };
  }

  /** Endorses the genesis with which an account was registered. @throws as `endorse` */
  async endorseNew(userId: string, genesis: HomeGenesis): Promise<Endorsed> {
    const hash = genesisHash(genesis);
    const before = await this.#find(userId);
    if (before && (before.genesis_sha256 !== hash || !before.is_final)) throw MatrixError.forbidden('The account has another genesis');
    if (!before) await this.#put(this.db, userId, hash, null, true, this.clock.now());
    return { endorsement: this.keys.endorse(genesis) };
  }

  /** The final endorsement in place of the provisional one, once its time is over; undefined before, and where there is none to replace. */
  async final(record: HomeRecord): Promise<Endorsed | undefined> {
    if (record.endorsement_terms?.provisional !== true) return undefined;
    const hash = genesisHash(record.genesis);
    const founding = await this.#find(record.user_id);
    // A database that does not know of it counts from now on.
    if (!founding) await this.#put(this.db, record.user_id, hash, null, false, this.clock.now());
    if (founding?.genesis_sha256 !== hash || this.clock.now() - founding.founded_ts < PROVISIONAL_FOR_MS) return undefined;
    return { endorsement: this.keys.endorse(record.genesis) };
  }

  async #find(userId: string): Promise<Founding | undefined> {
    return (await this.db.query<Founding & Record<string, unknown>>(select, [userId]))[0];
  }

  async #put(db: Queryable, userId: string, hash: string, supersedes: string | null, isFinal: boolean, now: number): Promise<void> {
    await db.write(upsert, [userId, hash, supersedes, isFinal, now]);
  }

  /** To each device apart: no session can take it away from another. */
  async #tell(userId: string, content: object): Promise<void> {
    await this.toDevice.send({ sender: userId, type: NOTICE, messageId: this.random.token(18), messages: { [userId]: { '*': content } } });
  }
}
