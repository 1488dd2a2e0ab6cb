#!/usr/bin/env node
// npm run bench -- [options]: the load generator of test/bench, a process of its own beside the server. Node 24 runs its
// TypeScript as it is, without a build.
import { join } from 'node:path';
import { ensureBuild, ensureDependencies, ensureNode, root, runUnder } from './bootstrap.js';

const args = process.argv.slice(2);
ensureDependencies();
const node = ensureNode();
// Before the server is started, or its first start would be measured with the build in it.
const startsNothing = args.some((arg) => /^--(url|list|help)\b/.test(arg));
if (!startsNothing) ensureBuild(node);
process.exit(await runUnder(node, [join(root, 'test', 'bench', 'main.ts'), ...args]));
