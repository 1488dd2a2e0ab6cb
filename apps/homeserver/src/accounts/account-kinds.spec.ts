import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { accountKinds, keptAtEachHome } from './account-kinds.js';

/** Tables with a column that names an account, of all migrations. */
function accountTables(): string[] {
  const sql = readdirSync('migrations').filter((name) => name.endsWith('.sql')).map((name) => readFileSync(`migrations/${name}`, 'utf8')).join('\n');
  return [...sql.matchAll(/CREATE TABLE (?:IF NOT EXISTS )?(\w+) \(([\s\S]*?)\n\)[^;]*;/g)]
    .filter(([, , columns]) => /^\s*(?:user_id|signer_id) /m.test(columns!)).map(([, table]) => table!);
}

describe('the kinds of an account\'s data', () => {
  it('name every store of accounts, or why it is not replicated', () => {
    const named = new Set([...Object.values(accountKinds).flatMap(({ tables }) => tables), ...Object.keys(keptAtEachHome)]);
    const tables = accountTables();
    expect(tables.length).toBeGreaterThan(20);
    expect(tables.filter((table) => !named.has(table))).toEqual([]);
    expect([...named].filter((table) => !tables.includes(table))).toEqual([]);
  });

  it('have tests that exist, and say so in the protocol', () => {
    const protocol = readFileSync('docs/protocol.md', 'utf8');
    for (const [kind, { test }] of Object.entries(accountKinds)) {
      expect({ kind, test, exists: existsSync(test) }).toEqual({ kind, test, exists: true });
      expect({ kind, isDescribed: protocol.includes(`\`${kind}\``) }).toEqual({ kind, isDescribed: true });
    }
  });
});
