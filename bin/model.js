#!/usr/bin/env node
// npm run model:rooms: random histories over the real rules (test/model). Node 24 runs its TypeScript as it is; the libraries are built.
import { join } from 'node:path';
import { ensureBuild, ensureDependencies, ensureNode, root, runUnder } from './bootstrap.js';

const [model = 'rooms'] = process.argv.slice(2);
ensureDependencies();
const node = ensureNode();
ensureBuild(node);
process.exit(await runUnder(node, [join(root, 'test', 'model', model, 'main.ts')]));
