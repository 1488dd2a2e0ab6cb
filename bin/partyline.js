#!/usr/bin/env node
import { join } from 'node:path';
import { endWithParent, ensureBuild, ensureDependencies, ensureNode, root, runUnder, version } from './bootstrap.js';
import { readCommandLine } from './command-line.js';

// What the server needs at rest follows from these more than from its code: the young generation of V8 grows to 64 MB and
// stays, and glibc keeps what each thread has freed.
const memoryFlags = ['--max-semi-space-size=4'];
const memoryEnvironment = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_MMAP_THRESHOLD_: '65536' };

const args = process.argv.slice(2);
const { text, problem } = readCommandLine(args, version());
if (text !== undefined) {
  process.stdout.write(text);
} else if (problem !== undefined) {
  process.stderr.write(`partyline: ${problem}\n`);
  process.exitCode = 2;
} else {
  ensureDependencies();
  const node = ensureNode();
  ensureBuild(node);
  const program = [...memoryFlags, join(root, 'bin', 'run-main.js'), ...args];
  // Becoming the program leaves no launcher behind, which would take 50 MB. Node has it since 23.11, not on Windows.
  if (process.execve && process.platform !== 'win32') {
    process.execve(node, [node, ...program], { ...process.env, ...memoryEnvironment });
  }
  if (process.env.npm_lifecycle_event !== undefined) endWithParent();
  process.exit(await runUnder(node, program, memoryEnvironment));
}
