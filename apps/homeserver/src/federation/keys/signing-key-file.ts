import { link, open, readFile, rm, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fromBase64, signingKeyFromSeed, unpaddedBase64, type SigningKey } from '#federation';
import type { Random } from '../../observability/random.js';

/** A key that this server signed with once. */
export interface OldKey {
  readonly keyId: string;
  readonly publicKey: string;
  /** Milliseconds since the epoch. */
  readonly expiredTs: number;
}

export interface ServerKeyFile {
  readonly current: SigningKey;
  readonly old: readonly OldKey[];
}

/**
 * Reads the server's signing key, or makes one. Lines of the file:
 * `ed25519 <version> <seed in Base64>` is the key in use (the format of other homeservers, so that a key can move along), and
 * `old ed25519:<version> <public key> <milliseconds>` one that is not used any more.
 *
 * @throws Error naming the file when it holds no key
 */
export async function readSigningKeyFile(path: string, random: Random): Promise<ServerKeyFile> {
  let text = await readFile(path, 'utf8').catch((error) => ifMissing(error, path));
  if (text === undefined) {
    await createKeyFile(path, random);
    text = await readFile(path, 'utf8');
  }
  let current: SigningKey | undefined;
  const old: OldKey[] = [];
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    if (words[0] === 'ed25519' && words.length === 3 && !current) {
      current = readKey(words[1]!, words[2]!);
    } else if (words[0] === 'old' && words.length === 4) {
      old.push({ keyId: words[1]!, publicKey: words[2]!, expiredTs: Number(words[3]) });
    }
  }
  if (!current) {
    throw new Error(`${path} holds no signing key (a line "ed25519 <version> <seed in Base64>"). Restore it from a backup: without it no server believes this one again.`);
  }
  return { current, old };
}

/** Undefined for what is no key, as a file that was cut. */
function readKey(version: string, seed: string): SigningKey | undefined {
  try {
    return signingKeyFromSeed(`ed25519:${version}`, fromBase64(seed));
  } catch {
    return undefined;
  }
}

/** Written beside and linked into place, so that no start ever sees half a file and two starts agree on one key. */
async function createKeyFile(path: string, random: Random): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const version = `p_${random.bytes(3).toString('hex')}`;
  const temporary = `${path}.${random.token(6)}`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`ed25519 ${version} ${unpaddedBase64(random.bytes(32))}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await rm(temporary);
}

function ifMissing(error: NodeJS.ErrnoException, path: string): undefined {
  if (error.code !== 'ENOENT') throw new Error(`${path} cannot be read (${error.code}).`, { cause: error });
}
