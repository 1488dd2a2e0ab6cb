import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../observability/random.js';
import { readSigningKeyFile } from './signing-key-file.js';

describe('readSigningKeyFile', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'partyline-keys-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes a key that only the owner can read, and keeps it', async () => {
    const path = join(folder, 'data', 'signing.key');
    const first = await readSigningKeyFile(path, new Random());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const second = await readSigningKeyFile(path, new Random());
    expect(second.current.publicKey).toBe(first.current.publicKey);
    expect(second.current.keyId).toMatch(/^ed25519:[A-Za-z0-9_]+$/);
  });

  it('agrees on one key when two start at once', async () => {
    const path = join(folder, 'signing.key');
    const [a, b] = await Promise.all([readSigningKeyFile(path, new Random()), readSigningKeyFile(path, new Random())]);
    expect(a.current.publicKey).toBe(b.current.publicKey);
  });

  it('reads the seed of the appendices and retired keys', async () => {
    const path = join(folder, 'signing.key');
    writeFileSync(path, 'ed25519 1 YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1\nold ed25519:0 AAAA 1234\n');
    const { current, old } = await readSigningKeyFile(path, new Random());
    expect(current.keyId).toBe('ed25519:1');
    expect(current.publicKey).toBe('XGX0JRS2Af3be3knz2fBiRbApjm2Dh61gXDJA8kcJNI');
    expect(old).toEqual([{ keyId: 'ed25519:0', publicKey: 'AAAA', expiredTs: 1234 }]);
  });

  it('does not replace a file that it cannot read', async () => {
    const path = join(folder, 'signing.key');
    writeFileSync(path, 'nothing of use\n');
    await expect(readSigningKeyFile(path, new Random())).rejects.toThrow('holds no signing key');
  });
});
