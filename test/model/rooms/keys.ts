import { sha256, signingKeyFromSeed, type AuthContext, type SigningKey } from '#federation';

// Keys of the model, by name, the same in every history: making one and signing with it costs more than all else.
const keys = new Map<string, SigningKey>();

export function keyOf(name: string): SigningKey {
  let key = keys.get(name);
  if (!key) keys.set(name, (key = memoizing(signingKeyFromSeed('ed25519:1', sha256(name)))));
  return key;
}

/** Records are few and recur in many histories. */
function memoizing(key: SigningKey): SigningKey {
  const signed = new Map<string, string>();
  return { ...key, keyId: key.keyId, publicKey: key.publicKey, sign: (text) => {
    let signature = signed.get(text);
    if (signature === undefined) {
      if (signed.size > 50_000) signed.clear();
      signed.set(text, (signature = key.sign(text)));
    }
    return signature;
  } };
}

/** Events are signed in appearance only: the model trusts that nobody forges signatures. Records are really signed. */
export function seal(publicKey: string): SigningKey {
  const key = keyOf('seal');
  return { ...key, keyId: 'ed25519:1', publicKey, sign: () => publicKey.padEnd(86, 'A') };
}

export const seals: AuthContext = {
  verifyHomeSignature: (event, home, keyId, publicKey) => event.pdu.signatures[home]?.[keyId] === publicKey.padEnd(86, 'A'),
};
