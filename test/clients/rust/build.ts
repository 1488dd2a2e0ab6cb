import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const target = join(here, '..', '..', '..', '.cache', 'rust-client');

/**
 * Builds the client below `.cache`: ten minutes on two cores the first time, so only when it is asked for (`RUST_CLIENT=1 npm test --
 * test/clients`).
 *
 * @returns the command that runs it; or a sentence that says why it cannot be had
 */
export function buildRust(): [string] | string {
  if (!process.env['RUST_CLIENT']) return 'matrix-rust-sdk is built with RUST_CLIENT=1 only';
  const args = ['build', '--locked', '--quiet', '--manifest-path', join(here, 'Cargo.toml'), '--target-dir', target];
  const { status, stderr, error } = spawnSync('cargo', args, { encoding: 'utf8' });
  if (status !== 0) return `matrix-rust-sdk could not be built: ${error?.message ?? stderr.trim().split('\n').at(-1)}`;
  return [join(target, 'debug', 'partyline-rust-client')];
}
