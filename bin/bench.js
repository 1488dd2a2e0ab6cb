#!/usr/bin/env node
// npm run bench -- [options]: the load generator of test/bench, a process of its own beside the server.
// Plain JavaScript that runs on Node 20; the generator's TypeScript is run directly by Node 24, without a build.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Node 24: this one, or the copy in .cache/node24, which is fetched when it is not there. */
function node24() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const cache = join(root, '.cache', 'node24');
  const binary = join(cache, 'node_modules', 'node', 'bin', 'node');
  if (!existsSync(binary)) {
    console.error('fetching Node 24');
    const done = spawnSync('npm', ['install', '--no-save', '--prefix', cache, 'node@24'], { stdio: ['ignore', 2, 2] });
    if (done.status !== 0) process.exit(done.status ?? 1);
  }
  return binary;
}

if (!existsSync(join(root, 'node_modules', 'undici'))) {
  console.error('installing dependencies');
  const done = spawnSync('npm', ['ci'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) process.exit(done.status ?? 1);
}

const child = spawn(node24(), [join(root, 'test', 'bench', 'main.ts'), ...process.argv.slice(2)], { stdio: 'inherit' });
// Ctrl-C reaches both from the terminal; a signal to this process alone is handed on.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 130)));
