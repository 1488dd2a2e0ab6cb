import { parseArgs } from 'node:util';
import { askedPassword } from './asked-password.js';
import { asOperator } from './operator-requests.js';

/** Creates an account, in the running server or, when none runs, in its database. @returns exit status */
export async function createUser(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { admin: { type: 'boolean' }, 'password-stdin': { type: 'boolean' } },
  });
  const name = positionals[0]!;
  const { password, shown } = await askedPassword(values['password-stdin'] ?? false);
  const account = { username: name, password, admin: values.admin ?? false };
  // Shared-secret registration, as Synapse's admin API has it.
  const words = [name, password, account.admin ? 'admin' : 'notadmin'];
  const created = await asOperator((requests) => requests.post('/_synapse/admin/v1/register', words, { ...account, inhibit_login: true }));
  process.stdout.write(`${String(created['user_id'])}${shown}\n`);
  return 0;
}
