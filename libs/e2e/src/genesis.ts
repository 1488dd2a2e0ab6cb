import { sha256 } from '@noble/hashes/sha2.js';
import { canonicalJson } from '#canonical-json';
import type { HomeRecord } from '#federation';

/** The unchangeable first part of a home record: who the account was when it was made. */
export type Genesis = HomeRecord['genesis'];

const selfCertifyingForm = /\.[a-z2-7]{24}$/;

export interface GenesisChoice {
  /** The readable name, 1 to 64 characters of `a-z 0-9 . _ = - / +`. */
  label: string;
  /** The first home's server name; it is the domain of the MXID for ever. */
  serverName: string;
  /** R's public key, unpadded base64. */
  recoveryKey: string;
  /** K's public key, unpadded base64. */
  accountKey: string;
  /** Milliseconds since 1970. */
  createdTs: number;
}

/**
 * Makes a genesis. The same for named and self-certifying accounts; what differs is the name, see `namedUserId` and
 * `selfCertifyingUserId`.
 * @throws Error when the label cannot stand in an MXID
 */
export function genesis(choice: GenesisChoice): Genesis {
  if (!/^[a-z0-9._=\-/+]{1,64}$/.test(choice.label)) throw new Error('the label cannot stand in a user id');
  if (selfCertifyingForm.test(choice.label)) throw new Error('the label looks like a self-certifying name');
  if (!Number.isSafeInteger(choice.createdTs) || choice.createdTs < 0) throw new Error('created_ts is no timestamp');
  return {
    label: choice.label,
    server_name: choice.serverName,
    recovery_key: choice.recoveryKey,
    account_key: choice.accountKey,
    created_ts: choice.createdTs,
  };
}

/** `@label:server`: needs that server's endorsement. */
export function namedUserId(of: Genesis): string {
  return `@${of.label}:${of.server_name}`;
}

/** `@label.<24 characters of the hash>:server`: proves itself, and so survives a hijacked domain (protocol §2). */
export function selfCertifyingUserId(of: Genesis): string {
  const hash = base32(sha256(new TextEncoder().encode(canonicalJson(of)))).slice(0, 24);
  return `@${of.label}.${hash}:${of.server_name}`;
}

/** Whether a user id has the form of a self-certifying name; it is then good with one genesis only. */
export function hasSelfCertifyingForm(userId: string): boolean {
  return selfCertifyingForm.test(userId.slice(0, Math.max(0, userId.indexOf(':'))));
}

/** Lower-case base32 (RFC 4648) without padding. */
function base32(bytes: Uint8Array): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(buffer >> bits) & 31];
    }
  }
  if (bits > 0) text += alphabet[(buffer << (5 - bits)) & 31];
  return text;
}
