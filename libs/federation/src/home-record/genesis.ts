import { canonicalJson } from '../canonical-json/index.js';
import { localpartOf } from '../identifiers/index.js';
import { sha256, unpaddedBase64 } from '../signing/index.js';
import type { EndorsementTerms, HomeGenesis } from './home-record.js';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
/** 24 characters of base32 are 120 bits, which is what a name commits to. */
const HASH_CHARACTERS = 24;
const SELF_CERTIFYING = /\.[a-z2-7]{24}$/;

/** SHA-256 of the canonical genesis, unpadded Base64: the identity of an account, whatever keys it has now. */
export function genesisHash(genesis: HomeGenesis): string {
  let hash = hashes.get(genesis);
  if (hash === undefined) {
    hash = unpaddedBase64(sha256(canonicalJson(genesis)));
    hashes.set(genesis, hash);
  }
  return hash;
}

// Every look at a level compares geneses, and a genesis never changes. Weak keys: the entries go with the records.
const hashes = new WeakMap<HomeGenesis, string>();

/** What the server of a named account signs to endorse it: the hash of the genesis, with the terms where there are some. */
export function endorsementInput(genesis: HomeGenesis, terms: EndorsementTerms = {}): string {
  return canonicalJson({ ...terms, genesis_sha256: genesisHash(genesis) });
}

/** The localpart that proves its own genesis: label, `.`, 24 characters of base32 of the genesis' SHA-256. */
export function selfCertifyingLocalpart(genesis: HomeGenesis): string {
  return `${genesis.label}.${base32(sha256(canonicalJson(genesis))).slice(0, HASH_CHARACTERS)}`;
}

/**
 * True when the user id has the form of a self-certifying name. Such a name is good only with the genesis that hashes
 * to it, so a server must never give one to a named account.
 */
export function isSelfCertifying(userId: string): boolean {
  return SELF_CERTIFYING.test(localpartOf(userId));
}

/** RFC 4648 base32, lower case, without padding. */
function base32(bytes: Uint8Array): string {
  let text = '';
  let buffer = 0;
  let bits = 0;
  for (const byte of bytes) {
    buffer = ((buffer << 8) | byte) & 0xfff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32[(buffer >> bits) & 31];
    }
  }
  return bits > 0 ? text + BASE32[(buffer << (5 - bits)) & 31] : text;
}
