export { Base64Error, fromBase64, unpaddedBase64, urlSafeUnpaddedBase64 } from './base64.js';
export { sha256 } from './sha256.js';
export { signingKeyFromSeed, type SigningKey } from './signing-key.js';
export { signatureOf, signedBytes, signJson, verifyJson, type Signatures } from './sign-json.js';
export { verifySignature, verifySignatureAsync } from './verify-signature.js';
