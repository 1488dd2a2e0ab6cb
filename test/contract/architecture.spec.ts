import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const source = join(root, 'apps/homeserver/src');

it('names the file of every controller, and none that is not there', () => {
  const text = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8');
  const controllers = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(controller|gateway)\.ts$/.test(file));
  expect(controllers.length).toBeGreaterThan(30);
  for (const file of controllers) expect(text).toContain(`\`${file}\``);
  for (const [, file] of text.matchAll(/`([\w/-]+\.(?:controller|gateway)\.ts)`/g)) expect(controllers).toContain(file);
});
