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

/** A server that was a home and has gone in peace, dead or moved away: what it did stands (protocol §3). */
export type RetiredHome = Pick<HomeEntry, 'server_name' | 'key_id' | 'key'>;

/** A place in a home's operation log (protocol §4): number and hash of an operation, SHA-256 in unpadded Base64. */
export type LogPlace = [n: number, hash: string];

/** Terms of an endorsement that is not final; part of the text that the domain signs. */
export interface EndorsementTerms {
  /** Made on the word of a session, not yet of the person: good only while the domain is among the homes; gives way to one that supersedes it. */
  provisional?: true;
  /** SHA-256 of the genesis, with a provisional endorsement, in whose place this one comes. */
  supersedes?: string;
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
 * ordered by `(epoch, seq, lower SHA-256 first)`, see `compareRecords`. Members that this version does not know stay in the object, because the signature
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
  /** `recordHash` of the record that this one was made from; absent in a first one and in those of version 1. */
  prev_sha256?: string;
  /** Empty only in the last record of an account that was deactivated. */
  homes: HomeEntry[];
  /** Former homes whose doings stand. A former home that is not among them is revoked. */
  retired?: RetiredHome[];
  /** How far the logs of former homes count, by log; of several places of one log the union (protocol §4). */
  cuts?: Record<string, LogPlace[]>;
  /** Named accounts: the signatures of the genesis' server over `endorsementInput`. */
  endorsement?: Record<string, string>;
  endorsement_terms?: EndorsementTerms;
  /** The account has ended; `homes` is empty. Only an epoch by the recovery key comes after it. */
  deactivated?: true;
  /** With `deactivated`: whether the person wants what they wrote to be hidden. */
  erase?: boolean;
  /** By the account key, over `homeRecordInput`. */
  signature: string;
}

/** A home record that is malformed, or that does not prove what it says. */
export class HomeRecordError extends Error {
  override readonly name = 'HomeRecordError';
}
