import { Injectable } from '@nestjs/common';
import {
  HomeRecordError, isSelfCertifying, isUserId, readHomeRecord, selfCertifyingLocalpart, serverNameOf, type EndorsementTerms, type HomeEntry,
  type HomeGenesis, type HomeRecord,
} from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { RegistrationTokens } from '../../auth/registration-tokens.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Database } from '../../storage/database.js';
import { AccountKeyProofs, type AccountKeyProof } from '../login/account-key-proofs.js';
import { accountKeyOf } from '../records/account-key-of.js';
import { HomeKeys } from '../records/home-keys.js';
import { ReturningAccounts } from '../ops/returning-accounts.js';
import { HomeRecords } from '../records/home-records.js';
import { Foundings } from './foundings.js';
import { UnprovenNames } from './unproven-names.js';

/** `POST …/account/attach`: somebody asks this server to be a home. */
export interface OfferRequest {
  readonly userId: string;
  /** The account whose token the request carries. */
  readonly requesterId: string | null;
  /** In place of a token. */
  readonly proof?: AccountKeyProof | undefined;
  /** The account's highest record, where this server may not know it. */
  readonly record?: unknown;
  /** For an account that has no record yet. */
  readonly genesis?: unknown;
  readonly registrationToken?: string | undefined;
}

/** This server's entry for the record; with a named account's first record also the endorsement for it. */
export interface HomeOffer {
  readonly entry: HomeEntry;
  readonly endorsement?: Record<string, string>;
  readonly terms?: EndorsementTerms;
}

/** Offers this server as a home to accounts (protocol §3, "Adding a home"). The account comes here when its record says so. */
@Injectable()
export class HomeOffers {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly keys: HomeKeys,
    private readonly foundings: Foundings,
    private readonly names: UnprovenNames,
    private readonly returning: ReturningAccounts,
    private readonly proofs: AccountKeyProofs,
    private readonly tokens: RegistrationTokens,
    private readonly config: Config,
    private readonly db: Database,
  ) {}

  /**
   * Whether the request says who an account of this server is from now on: that takes its owner, by user-interactive
   * authentication, and not just a session of his.
   */
  async needsOwner({ userId, requesterId, genesis }: OfferRequest): Promise<boolean> {
    if (genesis === undefined || requesterId !== userId || isSelfCertifying(userId) || serverNameOf(userId) !== this.config.serverName) return false;
    return Foundings.isOpen(await this.records.get(userId));
  }

  /**
   * The caller has seen to `needsOwner`.
   *
   * @throws MatrixError 403 `M_FORBIDDEN`: no proof, or this server takes nobody; 400 for records and geneses that are none
   */
  async offer(request: OfferRequest): Promise<HomeOffer> {
    const { userId } = request;
    if (request.requesterId !== null && request.requesterId !== userId) throw MatrixError.forbidden('This is another account');
    const unproven = request.record === undefined ? null : await this.#take(userId, request.record);
    const record = unproven ?? (await this.records.get(userId));
    const isFounding = record === undefined || (await this.needsOwner(request));
    const genesis = isFounding ? this.#firstGenesis(userId, request) : undefined;
    if (request.requesterId === null) this.#checkProof(request, record ? accountKeyOf(record) : genesis!.account_key);
    await this.#admit(userId, request.registrationToken);
    await this.returning.prepare(userId, record);
    const entry = this.keys.entry(userId, await this.keys.forOffer(userId));
    if (genesis !== undefined && !isSelfCertifying(userId)) return { entry, ...(await this.foundings.endorse(userId, genesis, record)) };
    const isOurs = record?.genesis.server_name === this.config.serverName;
    return { entry, ...(isOurs ? await this.foundings.final(record) : {}) };
  }

  /** Reads the genesis that is to come with a registration. @throws MatrixError 400 */
  genesisOf(userId: string, value: unknown): HomeGenesis {
    return readGenesis(userId, value);
  }

  /** For an account that was registered just now, with this genesis: nobody has known it before, so this server's word is final. */
  async offerNew(userId: string, genesis: HomeGenesis): Promise<HomeOffer> {
    const endorsed = await this.foundings.endorseNew(userId, genesis);
    return { entry: this.keys.entry(userId, await this.keys.forOffer(userId)), ...endorsed };
  }

  async #take(userId: string, value: unknown): Promise<HomeRecord | null> {
    if ((value as { user_id?: unknown } | null)?.user_id !== userId) throw MatrixError.badJson('The record is of another account');
    return this.names.take(value);
  }

  #checkProof({ userId, proof }: OfferRequest, publicKey: string): void {
    if (!proof) throw new MatrixError(401, 'M_MISSING_TOKEN', 'An access token, or a nonce and its signature, is needed');
    this.proofs.check(userId, publicKey, proof);
  }

  /** The genesis of an account without a record: only this domain can vouch for a named one, and only to who is logged in. */
  #firstGenesis(userId: string, { genesis: value, requesterId }: OfferRequest): HomeGenesis {
    if (value === undefined) throw MatrixError.missingParam('This server does not know the account: send its record, or the genesis of its first one');
    const genesis = readGenesis(userId, value);
    if (!isUserId(userId)) throw MatrixError.invalidParam('This cannot be the name of a new account');
    const isKnown = isSelfCertifying(userId) || (requesterId === userId && serverNameOf(userId) === this.config.serverName);
    if (!isKnown) throw MatrixError.forbidden('Only an account of this server can have its first record endorsed here');
    return genesis;
  }

  /** Whoever is not here yet is let in as in a registration. */
  async #admit(userId: string, token: string | undefined): Promise<void> {
    if (this.directory.has(userId) || (await this.keys.find(userId))) return;
    const { registration } = this.config;
    if (registration === 'closed') throw MatrixError.forbidden('Registration is closed on this server');
    if (registration === 'open') return;
    if (token === undefined) throw MatrixError.forbidden('This server takes accounts with a registration token only');
    await this.db.transaction(async (tx) => {
      await this.tokens.use(tx, token);
      await this.keys.findOrMake(userId, tx);
    });
  }
}

/** The offer as clients get it. */
export function offerBody({ entry, endorsement, terms }: HomeOffer): object {
  return { ...entry, ...(endorsement && { endorsement }), ...(terms && { endorsement_terms: terms }) };
}

/** A genesis that may found the name. Read as a part of a record, since that is where its shape is described. */
function readGenesis(userId: string, value: unknown): HomeGenesis {
  const filler = { account_key_cert: null, epoch: 0, seq: 0, master_key: null, homes: [], signature: `${'A'.repeat(86)}` };
  let record: HomeRecord;
  try {
    record = readHomeRecord({ ...filler, user_id: userId, genesis: value });
  } catch (error) {
    if (error instanceof HomeRecordError) throw MatrixError.badJson(error.message);
    throw error;
  }
  const { genesis } = record;
  const localpart = isSelfCertifying(userId) ? selfCertifyingLocalpart(genesis) : genesis.label;
  if (userId !== `@${localpart}:${genesis.server_name}`) throw MatrixError.badJson('The name does not belong to this genesis');
  return genesis;
}
