import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Names and defaults as load-config.ts declares them: `NAME: schema.default(value),`. */
function declaredSettings(): Map<string, string | undefined> {
  const schema = /const schema = z\.object\(\{(.*?)\n\}\);/s.exec(read('apps/homeserver/src/config/load-config.ts'))![1]!;
  const entries = schema.split(/\n {2}(?=[A-Z_]+:)/).slice(1);
  return new Map(
    entries.map((entry) => {
      const value = /\.default\((.*?)\)[,\s]*$/s.exec(entry)?.[1];
      return [entry.slice(0, entry.indexOf(':')), value];
    }),
  );
}

describe('the table of settings in docs/operators.md', () => {
  const rows = new Map([...read('docs/operators.md').matchAll(/^\| `([A-Z_]+)` \| (.*?) \| /gm)].map(([, name, value]) => [name!, value!]));
  const declared = declaredSettings();

  it('names each setting, and no other', () => {
    expect(declared.size).toBeGreaterThan(15);
    expect([...rows.keys()].sort()).toEqual([...declared.keys()].sort());
  });

  it.each([...declaredSettings()].filter(([, value]) => value !== undefined && value !== '[]'))('has the default of %s', (name, value) => {
    const text = value === 'true' ? 'on' : value === 'false' ? 'off' : value!.replace(/[[\]' ]/g, '');
    expect(rows.get(name)).toBe(`\`${text}\``);
  });
});
