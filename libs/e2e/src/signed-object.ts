import { canonicalJson } from '#canonical-json';
import { verifyText } from './account-key.js';

/** A JSON object with Matrix's `signatures: {entity: {key id: signature}}`. */
export interface SignedObject {
  signatures?: Record<string, Record<string, string>>;
  [member: string]: unknown;
}

/** The text that the signatures of an object cover. Source: Appendices, "Signing JSON". */
export function signedText(object: SignedObject): string {
  const { signatures: _signatures, unsigned: _unsigned, ...signed } = object;
  return canonicalJson(signed);
}

/** Whether `object` carries a valid signature by this key in the name of `entity`. False on anything malformed. */
export function verifySigned(object: SignedObject, entity: string, keyId: string, publicKey: string): boolean {
  const signature: unknown = object.signatures?.[entity]?.[keyId];
  if (typeof signature !== 'string') return false;
  try {
    return verifyText(publicKey, signedText(object), signature);
  } catch {
    return false;
  }
}
