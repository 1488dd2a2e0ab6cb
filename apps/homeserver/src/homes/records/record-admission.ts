import { Injectable } from '@nestjs/common';
import { canonicalJson, isSelfCertifying, type HomeRecord } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Log } from '../../observability/log.js';
import { AccountRecordStore, knownRecord, type KnownRecord, type RecordPin } from './account-record.store.js';
import { Acquaintances } from './acquaintances.js';
import { Endorsements } from './endorsements.js';
import { NameWitnesses } from './name-witnesses.js';

type Admitted = KnownRecord & { readonly record: HomeRecord };

/** Decides which genesis a name is pinned to at this server (protocol §2, "Proof, the door, outside rooms"). */
@Injectable()
export class RecordAdmission {
  constructor(
    private readonly store: AccountRecordStore,
    private readonly endorsements: Endorsements,
    private readonly witnesses: NameWitnesses,
    private readonly acquaintances: Acquaintances,
    private readonly log: Log,
  ) {}

  /** Nobody here has to do with the account. */
  async isStranger(userId: string): Promise<boolean> {
    return !(await this.acquaintances.includes(userId));
  }

  /** The first record of a name. @throws MatrixError 403, 502, 429, see `HomeRecords.accept` */
  async first(record: HomeRecord, from: string | undefined): Promise<Admitted> {
    const isKept = await this.#charge(record, from);
    return knownRecord(record, { isEndorsed: await this.#isProven(record), isKept });
  }

  /** Whether a record that could not be proven when it came is followed now: its domain is still silent, or stands for it after all. */
  async stands(record: HomeRecord): Promise<boolean> {
    return (await this.witnesses.vouchFor(record)) || (await this.endorsements.check(record)) === 'proven';
  }

  /** A record of the pinned genesis, of which only the pin was left. */
  async again(record: HomeRecord, pin: RecordPin, from: string | undefined): Promise<Admitted> {
    if ((record.epoch - pin.epoch || record.seq - pin.seq) < 0) throw MatrixError.forbidden('A higher record of this account has been seen here');
    const isKept = await this.#charge(record, from);
    return { ...(await this.next(record, pin)), isKept };
  }

  /** A higher record of the pinned genesis. What the domain has said provisionally only is not made final by leaving that out. */
  async next(record: HomeRecord, pin: RecordPin): Promise<Admitted> {
    const needsFinal = pin.isProvisional && record.endorsement_terms?.provisional !== true;
    const isEndorsed = pin.isEndorsed && !needsFinal ? true : await this.#isProven(record);
    const isKept = pin.isKept || !(await this.isStranger(record.user_id));
    return knownRecord(record, { isEndorsed, isEquivocal: pin.isEquivocal, isDisputed: pin.isDisputed, isKept });
  }

  /**
   * Another genesis for a name that is pinned. One that could never be proven gives way to a proven one; a provisional one to the
   * one that its domain puts in its place. Of two proven ones the first stays, and the domain is noted as standing for both.
   */
  async otherGenesis(record: HomeRecord, pin: RecordPin): Promise<Admitted> {
    const proof = pin.isEndorsed && !pin.isProvisional && pin.isDisputed ? 'refused' : await this.endorsements.check(record);
    const supersedes = pin.isProvisional && proof === 'proven' && (await this.endorsements.isInPlaceOf(record, pin.genesisSha256));
    if (proof === 'proven' && (!pin.isEndorsed || supersedes)) return knownRecord(record, { isKept: pin.isKept });
    if (proof === 'silent' && !pin.isEndorsed) throw cannotTell(record);
    if (proof === 'proven' && !pin.isDisputed) {
      this.log.warn('a domain stands for two geneses of one name', { userId: record.user_id });
      await this.store.dispute(record.user_id);
    }
    throw MatrixError.forbidden('This name belongs to another account');
  }

  /** @returns whether the record is to be kept for good */
  async #charge(record: HomeRecord, from: string | undefined): Promise<boolean> {
    if (!(await this.isStranger(record.user_id))) return true;
    // Clients pay by their addresses, before they come here; all of them together would pay for each other.
    if (from !== undefined && from !== 'client') this.acquaintances.charge(from, Buffer.byteLength(canonicalJson(record)));
    return false;
  }

  /** @returns false for a genesis that is followed though it is not proven */
  async #isProven(record: HomeRecord): Promise<boolean> {
    if (isSelfCertifying(record.user_id)) return true;
    const proof = await this.endorsements.check(record);
    if (proof === 'proven') return true;
    if (proof === 'refused') throw MatrixError.forbidden(`${record.genesis.server_name} does not stand for this account`);
    if (await this.witnesses.vouchFor(record)) return false;
    throw cannotTell(record);
  }
}

function cannotTell({ genesis }: HomeRecord): MatrixError {
  return MatrixError.unknown(502, `Whether ${genesis.server_name} stands for this account cannot be told now`);
}
