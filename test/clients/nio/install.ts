import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..', '..');

/**
 * Installs matrix-nio from the Python package index into a folder of its own below `.cache`, if it is not there yet.
 *
 * @returns the command that runs the client; or a sentence that says why it cannot be had
 */
export function installNio(): [string, ...string[]] | string {
  const wanted = readFileSync(join(here, 'requirements.txt'));
  const folder = join(root, '.cache', `nio-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  const done = join(folder, 'installed');
  if (!existsSync(done)) {
    const steps: [string, string[]][] = [
      ['python3', ['-m', 'venv', '--clear', folder]],
      [python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', join(here, 'requirements.txt')]],
    ];
    for (const [command, args] of steps) {
      const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' });
      if (status !== 0) return `matrix-nio could not be installed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;
    }
    writeFileSync(done, '');
  }
  return [python, join(here, 'client.py')];
}
