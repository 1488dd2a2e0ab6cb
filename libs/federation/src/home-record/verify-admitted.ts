import { admittedInput, jsonMember, type Admitted, type JsonObject, type RoomEvent } from '../events/index.js';
import { signatureOf, verifyJson, verifySignature } from '../signing/index.js';
import { endorsementInput, genesisHash } from './genesis.js';
import { recordOf } from './record-of.js';

/** An answer holds a key or two and some old ones; more are not tried. */
const MAX_KEYS = 8;

/**
 * Whether an attestation holds together (protocol §2): the attesting server signed it with one of its keys, the key answer in
 * it is of the domain of the genesis and signed by it, and one of its keys made the endorsement of the record that the
 * event carries. Whether this server's word counts for the reader is not decided here.
 *
 * @param serverKeys the attesting server's public keys, by key id
 */
export function verifyAdmitted(event: RoomEvent, admitted: Admitted, serverKeys: Readonly<Record<string, string>>): boolean {
  const record = recordOf(event);
  if (!record) return false;
  const text = admittedInput(event, genesisHash(record.genesis), admitted);
  const isSigned = Object.entries(serverKeys).slice(0, MAX_KEYS).some(([keyId, key]) => {
    const signature = signatureOf(admitted.signatures, admitted.server_name, keyId);
    return signature !== undefined && verifySignature(key, text, signature);
  });
  if (!isSigned) return false;
  const domain = record.genesis.server_name;
  const endorsed = endorsementInput(record.genesis, record.endorsement_terms);
  return Object.entries(signedKeysOf(admitted.keys, domain)).some(([keyId, key]) => {
    const signature = record.endorsement?.[keyId];
    return signature !== undefined && verifySignature(key, endorsed, signature);
  });
}

/** The keys, also old ones, of a domain's key answer (server-server API, "Publishing keys") that it has signed; else none. */
export function signedKeysOf(answer: JsonObject, domain: string): Record<string, string> {
  if (answer.server_name !== domain) return {};
  const keysIn = (name: string): [string, string][] => Object.entries(jsonMember(answer, name) ?? {}).flatMap(([keyId, entry]) => {
    const key = jsonMember(entry, 'key');
    return typeof key === 'string' ? [[keyId, key] as [string, string]] : [];
  });
  const current = keysIn('verify_keys').slice(0, MAX_KEYS);
  if (!current.some(([keyId, key]) => verifyJson(answer, domain, keyId, key))) return {};
  return Object.fromEntries([...keysIn('old_verify_keys').slice(0, MAX_KEYS), ...current]);
}
