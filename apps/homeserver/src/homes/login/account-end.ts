import { Injectable, type OnModuleInit } from '@nestjs/common';
import { recordHash, signHomeRecord, signingKeyFromSeed, type HomeRecord } from '#federation';
import { Deactivation, type DeactivationOptions, type EndRequest } from '../../accounts/deactivation.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { accountKeyOf } from '../records/account-key-of.js';
import { HomeKeyStore } from '../records/home-key.store.js';
import { HomeRecords, verifiedRecord } from '../records/home-records.js';

/**
 * Ends an account at the word of its owner (protocol §2, "Deactivation"). The account key says it to everybody, by a record
 * without homes: this server signs it where it holds the key, else the client may. Without it the account ends at its homes, which
 * an operation tells.
 */
@Injectable()
export class AccountEnd implements OnModuleInit {
  constructor(
    private readonly records: HomeRecords,
    private readonly keys: HomeKeyStore,
    private readonly deactivation: Deactivation,
  ) {}

  onModuleInit(): void {
    this.deactivation.announceThrough((userId, request) => this.#announce(userId, request));
  }

  async #announce(userId: string, { erase, record }: EndRequest): Promise<DeactivationOptions> {
    const last = record === undefined ? await this.#last(userId, erase) : this.#given(userId, record);
    if (last) await this.records.accept(last, 'client');
    return { erase: last?.erase ?? erase };
  }

  #given(userId: string, value: unknown): HomeRecord {
    const record = verifiedRecord(value);
    if (record.user_id !== userId || !record.deactivated) throw MatrixError.badJson('io.partyline.record: does not end this account');
    return record;
  }

  /** Signed with the key that this server holds for the account; undefined where it holds none. */
  async #last(userId: string, erase: boolean): Promise<HomeRecord | undefined> {
    const record = await this.records.get(userId);
    const seeds = record && (await this.keys.custody(userId));
    const key = seeds && signingKeyFromSeed('ed25519:account', seeds.account);
    if (!record || !key || key.publicKey !== accountKeyOf(record) || record.deactivated) return undefined;
    const { signature: _signature, ...unsigned } = record;
    return signHomeRecord({ ...unsigned, seq: record.seq + 1, prev_sha256: recordHash(record), homes: [], deactivated: true, erase }, (text) => key.sign(text));
  }
}
