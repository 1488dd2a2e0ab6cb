import type { HomeRecord, SigningKey } from '#federation';

/** The home records and home keys of the accounts on this server (protocol §2). */
export abstract class HomeIdentities {
  /**
   * The account's highest home record; made on first use, with the account key in custody, for accounts whose client knows
   * nothing of it.
   *
   * @throws MatrixError 404 `M_NOT_FOUND` when the account does not live here
   */
  abstract record(userId: string): Promise<HomeRecord>;

  /** Whether the account key is with the owner's devices, so that whoever has one of them may have it. Makes no record. */
  abstract isKeyWithOwner(userId: string): Promise<boolean>;

  /** The master key that the account's record pins; null when it pins none or there is no record. Makes no record. */
  abstract pinnedMasterKey(userId: string): Promise<string | null>;

  /**
   * The record and the key by which this server signs the account's events in portable rooms.
   *
   * @throws MatrixError 403 `M_FORBIDDEN` when this server is no home of the account now
   */
  abstract signer(userId: string): Promise<{ record: HomeRecord; key: SigningKey }>;
}
