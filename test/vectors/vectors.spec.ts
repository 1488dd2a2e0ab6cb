import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  readAdmitted, readHomeRecord, readPdu, roomVersion, sha256, signingKeyFromSeed, unpaddedBase64, verifyAdmitted, verifyHomeRecord, verifySignature, type HomeRecord,
} from '../../libs/federation/src/index.js';
import { admitted, allVectors, events, records } from './make-vectors.js';

// The files are what others read; the code has to make them, byte for byte. VECTORS_WRITE=1 writes them anew.

const fileOf = (name: string): string => join(import.meta.dirname, name);

it.each(Object.entries(allVectors()))('%s is what the code makes', (name, content) => {
  if (process.env['VECTORS_WRITE']) writeFileSync(fileOf(name), `${JSON.stringify(content, null, 2)}\n`);
  expect(JSON.parse(readFileSync(fileOf(name), 'utf8'))).toEqual(JSON.parse(JSON.stringify(content)));
});

it.each([...records(), ...events(), admitted()].map((one) => [one.what, one] as const))('%s: the key of the seed has signed the text', (_what, { signer, public_key: key, text, sha256: hash, signature }) => {
  expect(signingKeyFromSeed('ed25519:1', sha256(signer)).publicKey).toBe(key);
  expect(unpaddedBase64(sha256(text))).toBe(hash);
  expect(verifySignature(key, text, signature)).toBe(true);
});

it('the records and events of the vectors are good ones', () => {
  for (const { what, object } of records()) if (what.includes('record')) expect(() => verifyHomeRecord(readHomeRecord(object as HomeRecord))).not.toThrow();
  const rules = roomVersion('io.partyline.1')!;
  for (const { pdu, event_id: eventId } of events()) expect(readPdu(JSON.parse(JSON.stringify(pdu)), rules)).toMatchObject({ eventId, hashMatched: true });
  const { pdu, event_id: eventId } = admitted();
  const read = readPdu(JSON.parse(JSON.stringify(pdu)), rules);
  expect(read).toMatchObject({ eventId, hashMatched: true });
  const serverKey = signingKeyFromSeed('ed25519:1', sha256('server b')).publicKey;
  expect(verifyAdmitted(read, readAdmitted(read.pdu)[0]!, { 'ed25519:1': serverKey })).toBe(true);
});
