#!/usr/bin/env node
// oxlint, the clock rule, then the layers of ARCHITECTURE.md. Exit status 1 when one finds something.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDependencies, ensureNode, root } from './bootstrap.js';

ensureDependencies();
const node = ensureNode();
const bin = (name) => join(root, 'node_modules', ...name.split('/'));

/** `new Date()` reads the clock as `Date.now()` does, and oxlint has no rule for it. */
function clockReads() {
  const files = ['libs', 'apps/homeserver/src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)),
  );
  return files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('/node_modules/') && !file.includes('/src/demo/'))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, index) => (/\bnew Date\(\s*\)/.test(line) ? [`${file}:${index + 1}: take the time from the injected Clock`] : [])),
    );
}

const execute = (args) => spawnSync(node, args, { cwd: root, stdio: 'inherit' }).status === 0;
const steps = [
  ['lint', () => execute([bin('oxlint/bin/oxlint'), '--quiet', 'libs', 'apps', 'test', 'bin'])],
  [
    'clock',
    () => {
      const found = clockReads();
      if (found.length > 0) process.stdout.write(`${found.join('\n')}\n`);
      return found.length === 0;
    },
  ],
  [
    'layers',
    () => execute([bin('dependency-cruiser/bin/dependency-cruise.mjs'), '--config', '.dependency-cruiser.mjs', 'apps/homeserver/src', 'libs']),
  ],
];
let failed = 0;
for (const [what, check] of steps) {
  const isGood = check();
  process.stdout.write(`${what}: ${isGood ? 'ok' : 'FAILED'}\n`);
  if (!isGood) failed++;
}
process.exit(failed === 0 ? 0 : 1);
