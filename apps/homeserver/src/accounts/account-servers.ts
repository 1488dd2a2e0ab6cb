import type { HomeRecord } from '#federation';

/** Accounts that are looked up at once. */
const SLICE = 8;

/** Which servers serve an account of whatever server. */
export abstract class AccountServers {
  /** Asks after records that are new here or an hour old, of many accounts at once; `of` does it for one. Three seconds at most. */
  abstract check(userIds: readonly string[]): Promise<void>;

  /** Whether nobody stood by the account's record when it was asked after, so that no new keys are to be taken through it. */
  abstract isUnconfirmed(userId: string): Promise<boolean>;

  /**
   * The homes of the account's record as far as it is known here, by priority; the domain of the user id otherwise; none of an
   * account that has ended. May contain this server.
   */
  abstract of(userId: string): Promise<readonly string[]>;

  /** The same for many, some at a time: whoever asks about thousands waits for that himself. */
  async ofAll(userIds: readonly string[]): Promise<Map<string, readonly string[]>> {
    await this.check(userIds);
    const servers = new Map<string, readonly string[]>();
    for (let start = 0; start < userIds.length; start += SLICE) {
      const slice = userIds.slice(start, start + SLICE);
      const found = await Promise.all(slice.map((userId) => this.of(userId)));
      for (const [i, userId] of slice.entries()) servers.set(userId, found[i]!);
    }
    return servers;
  }

  /** Whether the account has a home record, so that it can take part in portable rooms; asks its server when unknown. */
  abstract isPortable(userId: string): Promise<boolean>;

  /**
   * SHA-256 of the genesis that bears the name, proven, unpadded Base64; asks its server when unknown. Undefined where there is no
   * record, or none is to be had now.
   */
  abstract genesisOf(userId: string): Promise<string | undefined>;

  /** The highest record of an account that is known here and followed; undefined for accounts without one. */
  abstract knownRecord(userId: string): Promise<HomeRecord | undefined>;

  /**
   * Whether the account has a record here, or two that were signed apart, of which one does not name the server among its homes. Those
   * below the record that somebody shows, or of somebody else who used the name, say nothing.
   */
  abstract hasDropped(userId: string, server: string, shown: HomeRecord | undefined): Promise<boolean>;

  /**
   * The highest record of an account, of which this one was shown by somebody; undefined when it does not prove itself, or is
   * of somebody else who uses the name.
   *
   * @param from the server that showed it; records of strangers are counted against it
   */
  abstract highestRecord(shown: HomeRecord, from?: string): Promise<HomeRecord | undefined>;
}
