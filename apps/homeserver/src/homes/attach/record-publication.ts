import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Database } from '../../storage/database.js';
import { HeardHomes } from '../login/heard-homes.js';
import { AccountKeyProofs, type AccountKeyProof } from '../login/account-key-proofs.js';
import { accountKeyOf } from '../records/account-key-of.js';
import { HomeKeyStore } from '../records/home-key.store.js';
import { HomeRecords, verifiedRecord, type AcceptedRecord } from '../records/home-records.js';
import { RecordRefresh } from '../records/record-refresh.js';
import { Arrivals, type RoomServers } from './arrivals.js';
import { RecordSpread } from './record-spread.js';
import { UnprovenNames } from './unproven-names.js';
import { ServedAccounts } from './served-accounts.js';

/** `PUT …/account/record`. */
export interface PublishRequest {
  /** The account whose token the request carries. */
  readonly requesterId: string | null;
  readonly record: unknown;
  /** Rooms that the client knows and servers that hold them: all that an emergency home has. */
  readonly rooms: RoomServers;
  /** Events that the client has seen, by room: a replica that has not heard of them is not all that is asked. */
  readonly seen: ReadonlyMap<string, readonly string[]>;
  /** In place of a token, for `rooms` and `seen`; the record needs none, because it proves itself. */
  readonly proof?: AccountKeyProof | undefined;
}

/** How long a client waits for the other homes to have heard. */
const TOLD_MS = 1_000;

export interface Published {
  readonly record: HomeRecord;
  readonly told: readonly string[];
  /** Other records, signed apart, that are known here: the client merges them. */
  readonly rivals?: readonly HomeRecord[];
  /** Rooms that the client named, and of which too many are not here yet. */
  readonly rooms_left_out?: number;
}

/** Takes new records from clients and puts them to work. */
@Injectable()
export class RecordPublication implements OnModuleInit {
  constructor(
    private readonly identities: HomeIdentities,
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly keyStore: HomeKeyStore,
    private readonly served: ServedAccounts,
    private readonly names: UnprovenNames,
    private readonly arrivals: Arrivals,
    private readonly spread: RecordSpread,
    private readonly heard: HeardHomes,
    private readonly refresh: RecordRefresh,
    private readonly config: Config,
    private readonly proofs: AccountKeyProofs,
    private readonly db: Database,
  ) {}

  onModuleInit(): void {
    // Also where others bring the record: this server was away, or its database is an older one, when the keys were taken over.
    this.records.onChanged((record) => this.#endCustody(record));
  }

  /**
   * @returns the highest record, which is the given one, and the homes that have it by now; the others are told when they can be
   * @throws MatrixError 403 `M_FORBIDDEN`, 400 `M_BAD_JSON`, 409 `IO_PARTYLINE_STALE_RECORD` with the highest `record` when the
   *   given one is lower or has lost to another of its version
   */
  async publish(request: PublishRequest): Promise<Published> {
    const userId = (request.record as { user_id?: unknown } | null)?.user_id;
    if (typeof userId !== 'string') throw MatrixError.badJson('record: user_id is missing');
    if (request.requesterId !== null && request.requesterId !== userId) throw MatrixError.forbidden('This is another account');
    await this.#learn(userId, request.record);
    const { record, outcome } = await this.#accept(userId, request);
    if (outcome === 'older') {
      throw new MatrixError(409, 'IO_PARTYLINE_STALE_RECORD', 'There is a higher record of this account', { record });
    }
    await this.#endCustody(record);
    const leftOut = request.rooms.size + request.seen.size > 0 ? await this.#addRooms(record, request) : 0;
    const told = await this.spread.told(record, TOLD_MS);
    const rivals = (await this.records.heard(userId))?.rivals ?? [];
    return { record, told, ...(rivals.length > 0 && { rivals }), ...(leftOut > 0 && { rooms_left_out: leftOut }) };
  }

  /**
   * Hands the recovery key of an account in custody to its owner, who then certifies an account key of his own with it; when
   * that record is published, this server forgets both keys.
   *
   * @returns 32 bytes
   * @throws MatrixError 404 `M_NOT_FOUND` for an account whose keys are not here
   */
  async recoverySeed(userId: string): Promise<Buffer> {
    await this.identities.record(userId);
    const seeds = await this.keyStore.custody(userId);
    if (!seeds) throw MatrixError.notFound('This server does not hold the keys of the account');
    return seeds.recovery;
  }

  async #accept(userId: string, { record, rooms }: PublishRequest): Promise<AcceptedRecord> {
    try {
      return await this.records.accept(record, 'client');
    } catch (error) {
      const shown = verifiedRecord(record);
      const isOffered = await this.served.isServedBy(userId, shown.homes);
      if (!isOffered || !(await this.names.isVouchedFor(error, shown, rooms))) throw error;
      return this.records.accept(record, 'client');
    }
  }

  /** What the others know first, so that an old key or an old record does not count here because this server was away. */
  async #learn(userId: string, value: unknown): Promise<void> {
    if (this.directory.has(userId)) return this.heard.ready(userId);
    const record = verifiedRecord(value);
    if (record.homes.some((home) => home.server_name === this.config.serverName)) await this.refresh.checkBefore(record);
  }

  /** Custody is over when the account key is one that this server has not made. */
  async #endCustody(record: HomeRecord): Promise<void> {
    if (accountKeyOf(record) !== record.genesis.account_key) await this.keyStore.deleteCustody(this.db, record.user_id);
  }

  /** @returns how many were left out */
  async #addRooms(record: HomeRecord, { requesterId, rooms, seen, proof }: PublishRequest): Promise<number> {
    const userId = record.user_id;
    if (!this.directory.has(userId) || !(await this.served.isServedBy(userId, await this.records.homesOf(userId)))) return 0;
    if (requesterId === null) {
      if (!proof) throw new MatrixError(401, 'M_MISSING_TOKEN', 'Rooms need an access token, or a nonce and its signature');
      this.proofs.check(userId, accountKeyOf(record), proof);
    }
    // First: what moves in at once goes by it.
    await this.arrivals.nameSeen(userId, seen);
    return this.arrivals.nameRooms(userId, rooms);
  }
}
