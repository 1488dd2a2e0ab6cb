import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { excuses } from './excuses.ts';
import { operationsOf, specificationFolder } from './specification.ts';

// The last step of `npm test`: every operation of the Client-Server and the Server-Server API is answered well in some test, or has
// an excuse. `node report-uncalled.ts FOLDER`, where the suites' workers noted what they called (Contract). Exit status 1 when not.
const folder = specificationFolder();
if (folder === null) {
  process.stdout.write('operations: the specification is not at hand (MATRIX_SPEC_DIR), not checked\n');
} else {
  const calls = process.argv[2]!;
  const called = new Set(readdirSync(calls).flatMap((file) => readFileSync(join(calls, file), 'utf8').split('\n').filter(Boolean)));
  const names = new Set(operationsOf(folder, ['client-server', 'server-server']).map(({ name }) => name));
  const problems = [
    ...[...names].filter((name) => !called.has(name) && !(name in excuses)).map((name) => `no test calls ${name}`),
    ...Object.keys(excuses).filter((name) => !names.has(name)).map((name) => `${name} has an excuse and is no operation`),
  ];
  for (const name of Object.keys(excuses).filter((one) => called.has(one))) process.stdout.write(`${name} is called and needs no excuse any more (excuses.ts)\n`);
  for (const problem of problems) process.stdout.write(`${problem}\n`);
  process.stdout.write(`operations: ${called.size} of ${names.size} called, ${Object.keys(excuses).length} excused\n`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
