import { areSignedApart, compareHomeRecords, HomeChangeError, homeRecordText, isHomeRecordOf, isSigned, mergedToSign } from '#e2e';
import type { HomeRecord } from '#federation';
import type { Phonebook } from '../phonebook/phonebook.js';

export interface RecordMergerParts {
  phonebook: Phonebook;
  userId: string;
  /** Signs with the account key: unpadded base64. */
  sign(text: string): string | Promise<string>;
}

/**
 * Takes the records that homes show. Of two that devices signed apart it signs the successor, as every device does that sees both, to
 * the same byte: so a home that either has dropped stays out (protocol §2).
 */
export class RecordMerger {
  constructor(private readonly parts: RecordMergerParts) {}

  /** Never fails. Returns whether the phonebook has another record now, which may be higher than what was shown. */
  async take(shown: unknown): Promise<boolean> {
    const { phonebook, userId } = this.parts;
    const { record: known, former } = phonebook.account(userId);
    if (!known || !isHomeRecordOf(userId, shown) || !areSignedApart(known, shown, former)) return phonebook.takeRecord(userId, shown);
    const higher = compareHomeRecords(known, shown) > 0 ? known : shown;
    const merged = await this.merged(known, shown, former);
    return merged && isHomeRecordOf(userId, merged) ? phonebook.takeRecord(userId, merged, higher) : phonebook.takeRecord(userId, shown);
  }

  /** Undefined where a person has to say which to go on with, or the app cannot sign now. */
  private async merged(known: HomeRecord, shown: HomeRecord, base: HomeRecord | undefined): Promise<HomeRecord | undefined> {
    let merged: ReturnType<typeof mergedToSign>;
    try {
      merged = mergedToSign(known, shown, base);
    } catch (error) {
      if (error instanceof HomeChangeError) return undefined;
      throw error;
    }
    if (isSigned(merged)) return merged;
    try {
      return { ...merged, signature: await this.parts.sign(homeRecordText(merged)) };
    } catch {
      return undefined;
    }
  }
}
