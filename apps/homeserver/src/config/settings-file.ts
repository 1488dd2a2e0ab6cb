import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { SettingsError } from './settings-error.js';

/** Name of the settings file: in the working folder, else in the data folder. */
export const SETTINGS_FILE = 'partyline.yaml';

/**
 * The settings of the first of these folders that has a settings file, under the names of environment variables.
 *
 * @param names of all settings
 * @throws SettingsError for what is no setting, or no YAML
 */
export function settingsOfFile(folders: readonly string[], names: readonly string[]): Record<string, string> {
  for (const folder of folders) {
    const file = resolve(folder, SETTINGS_FILE);
    let content: string;
    try {
      content = readFileSync(file, 'utf8');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // ENOTDIR: the data folder is a file, which is told of later.
      if (code === 'ENOENT' || code === 'ENOTDIR') continue;
      throw new SettingsError(file, `cannot be read (${code})`);
    }
    return settingsOfYaml(file, content, names);
  }
  return {};
}

function settingsOfYaml(file: string, content: string, names: readonly string[]): Record<string, string> {
  let document: unknown;
  try {
    document = parseYaml(content);
  } catch (error) {
    throw new SettingsError(file, `is no YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  if (document === null || document === undefined) return {};
  if (typeof document !== 'object' || Array.isArray(document)) throw new SettingsError(file, 'expected "name: value" lines');
  const found: Record<string, string> = {};
  for (const [key, value] of Object.entries(document)) {
    const upper = key.toUpperCase();
    const name = names.includes(upper) ? upper : `PARTYLINE_${upper}`;
    if (!names.includes(name)) throw new SettingsError(`${key} in ${file}`, 'is no setting of Partyline');
    if (found[name] !== undefined) throw new SettingsError(`${key} in ${file}`, 'is set twice');
    if (Array.isArray(value)) found[name] = value.join(',');
    else if (['string', 'number', 'boolean'].includes(typeof value)) found[name] = String(value);
    else throw new SettingsError(`${key} in ${file}`, 'expected a text, a number, true or false, or a list');
    // Paths in the file are meant relative to the file.
    if (/_(DIR|CERT|KEY|CA)$/.test(name)) found[name] = resolve(dirname(file), found[name]);
  }
  return found;
}
