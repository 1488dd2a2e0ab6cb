import type { SigningKey } from './signing-key.js';
import { verifySignature } from './verify-signature.js';
import { canonicalJsonWithout } from '../canonical-json/canonical-json.js';
import { isJsonObject, jsonMember } from '../events/json-member.js';
import type { JsonObject, JsonValue } from '../events/pdu.js';

export type Signatures = Record<string, Record<string, string>>;

const NOT_SIGNED: ReadonlySet<string> = new Set(['signatures', 'unsigned']);

/**
 * What a signature of a JSON object covers: its canonical JSON without `signatures` and `unsigned`.
 *
 * @throws CanonicalJsonError
 */
export function signedBytes(object: object): string {
  return canonicalJsonWithout(object, NOT_SIGNED);
}

/**
 * A copy of the object with a signature by `name` added beside those it has (appendices, §Signing JSON).
 *
 * @throws CanonicalJsonError
 */
export function signJson<T extends JsonObject>(object: T, name: string, key: SigningKey): T & { signatures: Signatures } {
  const signature = key.sign(signedBytes(object));
  return { ...object, signatures: withSignature(object.signatures, name, key.keyId, signature) };
}

/** Whether `object.signatures[name][keyId]` is there and verifies with `publicKey`. False on anything malformed. */
export function verifyJson(object: JsonObject, name: string, keyId: string, publicKey: string): boolean {
  const signature = signatureOf(object.signatures, name, keyId);
  if (signature === undefined) return false;
  let message: string;
  try {
    message = signedBytes(object);
  } catch {
    return false; // what has no canonical form was never signed
  }
  return verifySignature(publicKey, message, signature);
}

/** `signatures[name][keyId]` of an untrusted object; undefined unless it is a string. */
export function signatureOf(signatures: JsonValue | undefined, name: string, keyId: string): string | undefined {
  const ofName = jsonMember(signatures, name);
  const signature = jsonMember(ofName, keyId);
  return typeof signature === 'string' ? signature : undefined;
}

/** A copy of `signatures` with one entry more. */
export function withSignature(
  signatures: JsonValue | undefined, name: string, keyId: string, signature: string,
): Signatures {
  const all = isJsonObject(signatures) ? signatures : {};
  const ofName = jsonMember(all, name);
  return { ...all, [name]: { ...(isJsonObject(ofName) ? ofName : {}), [keyId]: signature } } as Signatures;
}
