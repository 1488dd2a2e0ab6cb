import { asOperatorOfRunning } from './operator-requests.js';

/** Sets how much the running server logs, until its next start. @returns exit status */
export async function logLevel([level]: readonly string[]): Promise<number> {
  const words = ['log_level', level!];
  const { before } = await asOperatorOfRunning((requests) => requests.post('/_synapse/admin/v1/io.partyline/log_level', words, { level }));
  process.stdout.write(`The log has "${level}" from now on; it had "${String(before)}".\n`);
  return 0;
}
