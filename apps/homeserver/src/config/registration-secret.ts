import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../observability/random.js';

const FILE = 'registration-secret';

/**
 * The shared secret with which `partyline admin create-user` reaches the running server: made once, readable by the
 * server's user only. Used where the operator set none.
 *
 * @param dataDir must exist
 */
export function registrationSecret(dataDir: string, random: Random): string {
  const file = join(dataDir, FILE);
  try {
    // Fails when it is there already, also when another process makes it at this moment.
    writeFileSync(file, `${random.token(32)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const secret = readFileSync(file, 'utf8').trim();
  // Everybody could make accounts with it.
  if (secret === '') throw new Error(`${file} is empty: delete it, and the next start makes a secret.`);
  return secret;
}
