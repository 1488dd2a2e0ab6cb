/** One server that may act for an account. */
export interface HomeEntry {
  server_name: string;
  /** Name of the home key, `ed25519:<version>`. */
  key_id: string;
  /** Public Ed25519 key, unpadded Base64, with which this home signs the account's events in portable rooms. */
  key: string;
  /** Lower comes first. */
  priority: number;
  /** The home server's consent: its server keys' signatures over `acceptedInput`. */
  accepted?: Record<string, string>;
}

/** What an account was founded with. Its hash is the account's identity; it never changes. */
export interface HomeGenesis {
  label: string;
  server_name: string;
  /** Public keys, unpadded Base64. */
  recovery_key: string;
  account_key: string;
  /** Milliseconds since the Unix epoch. */
  created_ts: number;
}

/** Replaces the account key; signed by the recovery key of the genesis. */
export interface AccountKeyCert {
  account_key: string;
  epoch: number;
  signature: string;
}

/**
 * The servers that may act for an account now, signed by its account key (protocol §2). Records of one account are
 * ordered by `(epoch, seq)`. Members that this version does not know stay in the object, because the signature
 * covers them.
 */
export interface HomeRecord {
  user_id: string;
  genesis: HomeGenesis;
  account_key_cert: AccountKeyCert | null;
  epoch: number;
  seq: number;
  /** Public cross-signing master key, unpadded Base64. */
  master_key: string | null;
  homes: HomeEntry[];
  /** Named accounts: the signatures of the genesis' server over `endorsementInput`. */
  endorsement?: Record<string, string>;
  /** By the account key, over `homeRecordInput`. */
  signature: string;
}

/** A home record that is malformed, or that does not prove what it says. */
export class HomeRecordError extends Error {
  override readonly name = 'HomeRecordError';
}
