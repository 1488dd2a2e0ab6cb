import type { HomeRecord } from '#federation';

/** Which servers serve an account of whatever server. */
export abstract class AccountServers {
  /**
   * The homes of the account's record as far as it is known here, by priority; the domain of the user id otherwise. May
   * contain this server.
   */
  abstract of(userId: string): Promise<readonly string[]>;

  /** Whether the account has a home record, so that it can take part in portable rooms; asks its server when unknown. */
  abstract isPortable(userId: string): Promise<boolean>;

  /**
   * The highest record of an account, of which this one was shown by somebody; undefined when it does not prove itself, or is
   * of somebody else who uses the name.
   */
  abstract highestRecord(shown: HomeRecord): Promise<HomeRecord | undefined>;
}
