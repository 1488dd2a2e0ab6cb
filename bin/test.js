#!/usr/bin/env node
// npm test: types, lint and layers, all suites, then whether they call every operation of the specification. Arguments go to jest: `npm test -- libs/federation`.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureDependencies, ensureNode, root } from './bootstrap.js';

ensureDependencies();
const node = ensureNode();
const bin = (path) => join(root, 'node_modules', ...path.split('/'));
const folder = mkdtempSync(join(tmpdir(), 'partyline-results-'));
const results = join(folder, 'jest.json');
const steps = [
  ['types', [bin('@typescript/native/bin/tsc'), '-b', '.', 'test']],
  ['lint and layers', [join(root, 'bin', 'lint.js')]],
  [
    'suites',
    ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning', bin('jest/bin/jest.js'), '--ci', '--json', `--outputFile=${results}`, ...process.argv.slice(2)],
  ],
];
// Every operation of the specification is called by some suite, where all of them run.
const calls = join(folder, 'calls');
mkdirSync(calls);
if (process.argv.length === 2) steps.push(['operations', [join(root, 'test', 'contract', 'openapi', 'report-uncalled.ts'), calls]]);
const failed = [];
for (const [what, args] of steps) {
  process.stdout.write(`${what} …\n`);
  // jest prints its JSON on stdout too; its report for people is on stderr.
  const stdout = what === 'suites' ? 'ignore' : 'inherit';
  const { status } = spawnSync(node, args, { cwd: root, stdio: ['ignore', stdout, 'inherit'], env: { ...process.env, PARTYLINE_CONTRACT_CALLS: calls } });
  if (status !== 0) failed.push(what);
}

const count = { passed: 0, failed: 0 };
try {
  const report = JSON.parse(readFileSync(results, 'utf8'));
  count.passed = report.numPassedTests;
  // A suite that does not even load has no tests to count.
  count.failed = report.numFailedTests + report.numRuntimeErrorTestSuites;
} catch {
  // jest did not get that far, which `failed` says.
}
rmSync(folder, { recursive: true, force: true });
if (failed.length > 0) process.stdout.write(`failed: ${failed.join(', ')}\n`);
const others = failed.filter((what) => what !== 'suites').length;
if (failed.length > others && count.failed === 0) count.failed = 1;
process.stdout.write(`${count.passed} passed, ${count.failed + others} failed\n`);
process.exit(failed.length === 0 ? 0 : 1);
