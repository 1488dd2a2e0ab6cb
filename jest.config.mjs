// Sources are compiled per file by swc into ES modules; Node runs them with --experimental-vm-modules (see bin/test.js).
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 24 || (major === 24 && minor < 9)) {
  throw new Error(`the suites need Node 24.9 or later, and this is ${process.versions.node}: "npm test -- PATH" finds or fetches one (CONTRIBUTING.md)`);
}

export default {
  testEnvironment: '<rootDir>/test/network/contract-environment.mjs',
  setupFilesAfterEnv: ['<rootDir>/test/network/contract-hooks.ts'],
  testEnvironmentOptions: { customExportConditions: ['partyline-source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  testMatch: ['<rootDir>/{libs,apps,test}/**/*.spec.ts'],
  // Times are measured in runs of their own, `npm run faults`, `npm run trouble` and `npm run bars`: docs/decisions/0013.
  testPathIgnorePatterns: ['/node_modules/', ...(process.env.FAULTS_RUNS ? [] : ['<rootDir>/test/faults/failover\\.spec\\.ts$']), ...(process.env.TROUBLE_SEED ? [] : ['<rootDir>/test/faults/troubled-database\\.spec\\.ts$']), ...(process.env.BARS_PEERS ? [] : ['<rootDir>/test/bars/bars\\.spec\\.ts$'])],
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/.cache/', '<rootDir>/data/'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      jsc: {
        target: 'es2024',
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true },
        keepClassNames: true,
      },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    }],
  },
  globalSetup: '<rootDir>/test/network/global-setup.mjs',
  globalTeardown: '<rootDir>/test/network/global-teardown.mjs',
  maxWorkers: 2,
  // What a suite has loaded stays for as long as its process does: hundreds of them would not fit into V8's heap.
  workerIdleMemoryLimit: 1_500_000_000,
  testTimeout: 30_000,
};
