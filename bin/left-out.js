// What libraries bring along and the server does not use. V8 keeps the text of a file for as long as anything of it lives, and what
// a module makes when it is loaded as well: these are half of both.

/** Parts of packages that are loaded and not used: by path, and what stands in their place. */
const replaced = [
  // TypeORM: every database but PostgreSQL, and colours for SQL on a terminal.
  [/\/typeorm\/driver\/(aurora-mysql|aurora-postgres|better-sqlite3|capacitor|cockroachdb|cordova|expo|mongodb|mysql|nativescript|oracle|react-native|sap|spanner|sqlite-abstract|sqljs|sqlserver)\/\w+\.js$/, ''],
  [/\/typeorm\/(entity-manager\/(Mongo|Sqljs)EntityManager|repository\/MongoRepository|cache\/RedisQueryResultCache)\.js$/, ''],
  [/\/(ansis|@sqltools\/formatter)\//, ''],
  // Zod: messages in fifty languages.
  [/\/zod\/v4\/locales\/index\.js$/, "export { default as en } from './en.js';"],
  // NestJS: its command line, and checks of uploaded files.
  [/\/@nestjs\/core\/repl\/index\.js$/, 'export {};'],
  [/\/@nestjs\/common\/pipes\/file\/index\.js$/, 'export {};'],
  // Fastify: JSON schemas, which no route has (http/install-http.ts).
  [/\/(@fastify\/ajv-compiler|@fastify\/fast-json-stringify-compiler|light-my-request)\/index\.js$/, ''],
];

/** The plugin for esbuild. */
export const leftOut = {
  name: 'left-out',
  setup(build) {
    const used = new Set();
    build.onLoad({ filter: /\/node_modules\// }, ({ path }) => {
      const found = replaced.find(([pattern]) => pattern.test(path));
      if (!found) return undefined;
      used.add(found);
      return { contents: found[1], loader: 'js' };
    });
    // A new version of a library may have moved it.
    build.onEnd(() => ({ warnings: replaced.filter((one) => !used.has(one)).map(([pattern]) => ({ text: `nothing to be left out at ${pattern}` })) }));
  },
};
