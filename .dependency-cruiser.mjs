// The layers of ARCHITECTURE.md. A folder may import from its own line and from lines above it; folders on one line do not
// import each other unless they are listed in `together`.
import { readdirSync } from 'node:fs';

const SRC = 'apps/homeserver/src';

/** Folders of the homeserver, lowest first. */
const layers = [
  ['errors', 'config', 'observability', 'storage', 'bus', 'tls'],
  ['accounts'],
  ['account-data', 'auth'],
  ['http'],
  ['federation'],
  ['rooms', 'media'],
  ['device-keys', 'ephemeral', 'push', 'directory', 'search', 'moderation'],
  ['sync'],
  ['homes'],
  ['governance', 'appservices', 'jobs', 'notifications'],
  ['client-api', 'federation-api', 'admin-api', 'appservice-api', 'web'],
  ['commands', 'demo'],
];
/** Lines whose folders may import each other. */
const together = new Set(['errors', 'rooms', 'device-keys', 'governance', 'commands']);

const unknown = readdirSync(new URL(`./${SRC}`, import.meta.url), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !layers.flat().includes(entry.name))
  .map((entry) => entry.name);
if (unknown.length > 0) throw new Error(`.dependency-cruiser.mjs: give ${unknown.join(', ')} a place in the layers`);

const inFolders = (names) => `^${SRC}/(${names.join('|')})/`;

const layerRules = layers.flatMap((layer, index) => {
  const higher = layers.slice(index + 1).flat();
  const rules = higher.length === 0 ? [] : [
    {
      name: `${layer[0]}-is-below`,
      comment: `${layer.join(', ')} must not know of layers above`,
      severity: 'error',
      from: { path: inFolders(layer) },
      to: { path: inFolders(higher) },
    },
  ];
  if (layer.length > 1 && !together.has(layer[0])) {
    for (const name of layer) {
      rules.push({
        name: `${name}-beside`,
        comment: 'folders of one layer do not import each other',
        severity: 'error',
        from: { path: inFolders([name]) },
        to: { path: inFolders(layer.filter((other) => other !== name)) },
      });
    }
  }
  return rules;
});

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'in ES modules a cycle through a decorated class crashes at the start; one of types alone is two files that are one',
      severity: 'error',
      from: { pathNot: '\\.spec\\.ts$' },
      to: { circular: true },
    },
    {
      name: 'libs-import-no-app',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: '^(apps|test)/' },
    },
    {
      name: 'federation-lib-is-pure',
      comment: 'no sockets, files, processes or clocks in libs/federation; everything comes as an argument',
      severity: 'error',
      from: { path: '^libs/federation/src/', pathNot: '\\.spec\\.ts$' },
      to: { path: '^(node:)?(net|tls|http|https|http2|dns|dgram|fs|child_process|worker_threads|timers|os)(/|$)' },
    },
    {
      name: 'browser-libs-use-no-node',
      comment: 'libs/e2e and libs/routing run in the browser too',
      severity: 'error',
      from: { path: '^libs/(e2e|routing)/src/', pathNot: '\\.spec\\.ts$' },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'domain-imports-no-wiring',
      comment: 'app.module.ts and server.ts are the top; only commands and tests start servers',
      severity: 'error',
      from: { path: inFolders(layers.slice(0, -1).flat()) },
      to: { path: `^${SRC}/[^/]+\\.ts$` },
    },
    {
      name: 'sources-import-no-tests',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: '\\.spec\\.ts$' },
      to: { path: '(^test/|\\.spec\\.ts$)' },
    },
    {
      name: 'nothing-unresolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    ...layerRules,
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/' },
    tsConfig: { fileName: 'tsconfig.base.json' },
    tsPreCompilationDeps: 'specify',
    enhancedResolveOptions: {
      conditionNames: ['partyline-source', 'import', 'node', 'default'],
      exportsFields: ['exports'],
    },
  },
};
