import { asOperator } from './operator-requests.js';

const ROUTE = '/_synapse/admin/v1/io.partyline';

/** Tells the server that its database was restored from a backup, where it may not notice by itself. @returns exit status */
export async function restored(): Promise<number> {
  await asOperator((requests) => requests.post(`${ROUTE}/restored`, ['restored']));
  process.stdout.write(
    'The server goes on as a restored one: it fetches what other servers have of the time since the backup.\n'
    + 'Changed passwords, ended sessions and locked accounts of that time are lost where nobody else knew of them.\n'
    + '"node bin/partyline.js admin end-sessions" lets everybody log in anew.\n',
  );
  return 0;
}

/** Ends all sessions of all accounts on this server. @returns exit status */
export async function endSessions(): Promise<number> {
  const { ended } = await asOperator((requests) => requests.post(`${ROUTE}/end_sessions`, ['end_sessions']));
  process.stdout.write(`${String(ended)} sessions were ended.\n`);
  return 0;
}
