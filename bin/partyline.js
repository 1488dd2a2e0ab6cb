#!/usr/bin/env node
import { join } from 'node:path';
import { endWithParent, ensureBuild, ensureDependencies, ensureNode, root, runUnder, version } from './bootstrap.js';
import { readCommandLine } from './command-line.js';

// What the server needs follows from these more than from its code. The young generation of V8 grows to 64 MB and stays, and the old
// one to a multiple of what is in use before it is looked through; glibc keeps what each thread has freed, and small holes between
// what V8's compilers have used.
const memoryFlags = ['--max-semi-space-size=4'];
const memoryEnvironment = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_MMAP_THRESHOLD_: '32768' };
// For the time of the start: see observability/process-memory.ts.
const startFlags = ['--no-opt', '--no-maglev', '--bytecode-old-age=1', '--expose-gc'];

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
  const program = [...memoryFlags, ...(args[0] === 'serve' ? startFlags : []), join(root, 'bin', 'run-main.js'), ...args];
  // Becoming the program leaves no launcher behind, which would take 50 MB. Node has it since 23.11, not on Windows.
  if (process.execve && process.platform !== 'win32') {
    process.execve(node, [node, ...program], { ...process.env, ...memoryEnvironment });
  }
  if (process.env.npm_lifecycle_event !== undefined) endWithParent();
  process.exit(await runUnder(node, program, memoryEnvironment));
}
