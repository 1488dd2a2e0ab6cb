import { parseArgs } from 'node:util';
import { askedPassword } from './asked-password.js';
import { asOperator } from './operator-requests.js';

/**
 * Gives an account another password, for somebody who has lost his.
 *
 * @returns exit status
 */
export async function resetPassword(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: { 'password-stdin': { type: 'boolean' }, 'end-sessions': { type: 'boolean' } } });
  const user = positionals[0]!;
  const { password, shown } = await askedPassword(values['password-stdin'] ?? false);
  const endSessions = values['end-sessions'] ?? false;
  const words = ['reset_password', user, password, endSessions ? 'end_sessions' : 'keep_sessions'];
  const reset = await asOperator((requests) => requests.post('/_synapse/admin/v1/io.partyline/reset_password', words, { user, password, end_sessions: endSessions }));
  process.stdout.write(`${String(reset['user_id'])}${shown}\n`);
  return 0;
}
