import { readFileSync } from 'node:fs';
import {
  bucketHash, bucketOf, digestRoot, headInput, isLogOf, logName, operationHash, operationInput, readHead, readOperation, signHead, signingKeyFromSeed,
  signOperation, type AccountOperation, type LogHead,
} from '../index.js';

interface Vectors {
  readonly user_id: string;
  readonly seed_hex: string;
  readonly public_key: string;
  readonly log_start: string;
  readonly log: string;
  readonly operations: readonly { readonly operation: AccountOperation; readonly signed_text: string; readonly hash: string }[];
  readonly head: LogHead;
  readonly head_signed_text: string;
  readonly digest: { readonly kind: string; readonly key: string; readonly bucket: number; readonly bucket_hash: string; readonly root: string };
}

// What a second implementation can be tried with (protocol §4).
const vectors = JSON.parse(readFileSync(new URL('../../../../test/vectors/account-log.json', import.meta.url), 'utf8')) as Vectors;
const key = signingKeyFromSeed('ed25519:h_1', Buffer.from(vectors.seed_hex, 'hex'));

it('names the log of a key', () => {
  expect(key.publicKey).toBe(vectors.public_key);
  expect(logName(vectors.user_id, key.publicKey, vectors.log_start)).toBe(vectors.log);
  expect(isLogOf(vectors.log, vectors.user_id, vectors.public_key)).toBe(true);
});

it('signs and hashes operations, each naming the one before', () => {
  for (const [i, { operation, signed_text: text, hash }] of vectors.operations.entries()) {
    const { signature: _signature, ...unsigned } = operation;
    expect(operationInput(operation)).toBe(text);
    expect(signOperation(unsigned, key)).toEqual(operation);
    expect(operationHash(operation)).toBe(hash);
    expect(readOperation(vectors.user_id, operation)).toEqual(operation);
    expect(operation.prev).toBe(vectors.operations[i - 1]?.hash ?? null);
  }
});

it('signs heads, and hashes what items keep', () => {
  const { head, digest, operations } = vectors;
  expect(headInput(head)).toBe(vectors.head_signed_text);
  expect(signHead(head, key)).toEqual(head);
  expect(readHead(vectors.user_id, head)).toEqual(head);
  expect(bucketOf(digest.kind, digest.key)).toBe(digest.bucket);
  expect(bucketHash([operations[1]!.hash])).toBe(digest.bucket_hash);
  expect(digestRoot(Array.from({ length: 256 }, (_, i) => (i === digest.bucket ? digest.bucket_hash : '')))).toBe(digest.root);
});
