import { accessSync, constants, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { SettingsError } from './settings-error.js';

const SETTING = 'PARTYLINE_DATA_DIR';

/**
 * Makes the data folder where it is missing, and sees that the server can write to it.
 *
 * @throws SettingsError
 */
export function prepareDataFolder(folder: string): void {
  makeFolder(folder);
  const probe = join(folder, `.writable-${process.pid}`);
  try {
    if (!statSync(folder).isDirectory()) throw new SettingsError(SETTING, `${folder} is a file, not a folder`);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    // Root may write everywhere, but not to a disk that is read-only or full.
    writeFileSync(probe, '');
    rmSync(probe);
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    throw new SettingsError(SETTING, `${folder} cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** One folder after the other: Node's recursive mkdir tries for ever below /proc. */
function makeFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false }) !== undefined) return;
  const parent = dirname(folder);
  if (parent !== folder) makeFolder(parent);
  try {
    // Others may pass through (the database's user, when this is root) but not look.
    mkdirSync(folder, { mode: 0o711 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new SettingsError(SETTING, `${folder} cannot be made (${code})`);
  }
}
