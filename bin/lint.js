#!/usr/bin/env node
// oxlint, the rules about the clock and JSON, then the layers of ARCHITECTURE.md. Exit status 1 when one finds something.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureDependencies, ensureNode, root } from './bootstrap.js';

ensureDependencies();
const node = ensureNode();
const bin = (name) => join(root, 'node_modules', ...name.split('/'));

/** What oxlint has no rules for: `new Date()` reads the clock as `Date.now()` does, `response.json()` parses as `JSON.parse` does. */
const texts = [
  { name: 'clock', folders: ['libs', 'apps/homeserver/src'], isExempt: (file) => file.includes('/src/demo/'), pattern: /\bnew Date\(\s*\)/, advice: 'take the time from the injected Clock' },
  { name: 'json', folders: ['libs', 'apps'], isExempt: (file) => !file.includes('/src/'), pattern: /\.json\(\)/, advice: "parse the text with parseJson of '#json'" },
];

function found({ folders, isExempt, pattern, advice }) {
  const files = folders.flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => join(folder, name)));
  return files
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('/node_modules/') && !isExempt(file))
    .flatMap((file) =>
      readFileSync(join(root, file), 'utf8')
        .split('\n')
        .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}: ${advice}`] : [])),
    );
}

const execute = (args) => spawnSync(node, args, { cwd: root, stdio: 'inherit' }).status === 0;
const steps = [
  ['lint', () => execute([bin('oxlint/bin/oxlint'), '--quiet', 'libs', 'apps', 'test', 'bin'])],
  ...texts.map((rule) => [
    rule.name,
    () => {
      const lines = found(rule);
      if (lines.length > 0) process.stdout.write(`${lines.join('\n')}\n`);
      return lines.length === 0;
    },
  ]),
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
