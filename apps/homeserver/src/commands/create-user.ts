import { parseArgs } from 'node:util';
import { Random } from '../observability/random.js';
import { asOperator } from './operator-requests.js';

export const createUserUsage = `partyline admin create-user NAME [--admin] [--password-stdin]

Creates an account, in the running server or, when none runs, in its database. Without --password-stdin a password is made
and printed.`;

/** @returns exit status */
export async function createUser(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { admin: { type: 'boolean' }, 'password-stdin': { type: 'boolean' } },
  });
  const [name] = positionals;
  if (name === undefined || positionals.length > 1) {
    process.stderr.write(`${createUserUsage}\n`);
    return 2;
  }
  const password = values['password-stdin'] ? await readLine() : new Random().token(12);
  if (password === '') throw new Error('The password is empty.');
  const account = { username: name, password, admin: values.admin ?? false };
  // Shared-secret registration, as Synapse's admin API has it.
  const words = [name, password, account.admin ? 'admin' : 'notadmin'];
  const created = await asOperator((requests) => requests.post('/_synapse/admin/v1/register', words, { ...account, inhibit_login: true }));
  process.stdout.write(`${String(created['user_id'])}${values['password-stdin'] ? '' : `\npassword: ${password}`}\n`);
  return 0;
}

async function readLine(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  return text.split('\n')[0]!.replace(/\r$/, '');
}
