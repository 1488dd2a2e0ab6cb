import { endSessions, restored } from './commands/after-restore.js';
import { createUser, createUserUsage } from './commands/create-user.js';
import { serve } from './commands/serve.js';
import { SettingsError } from './config/settings-error.js';

/**
 * Runs a command of `bin/partyline.js`, which has checked its name.
 *
 * @param args the command line after the program's name
 * @returns exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === 'serve') return await serve();
    if (command === 'demo') return await demo(rest);
    if (command === 'admin' && rest[0] === 'create-user') return await createUser(rest.slice(1));
    if (command === 'admin' && rest[0] === 'restored') return await restored();
    if (command === 'admin' && rest[0] === 'end-sessions') return await endSessions();
    process.stderr.write(`${createUserUsage}\n`);
    return 2;
  } catch (error) {
    process.stderr.write(`partyline: ${explain(error)}\n`);
    return error instanceof SettingsError ? 2 : 1;
  }
}

/** Loaded only when it is asked for: the demonstration has its own dependencies. */
async function demo(args: readonly string[]): Promise<number> {
  const { runDemo } = (await import(new URL('./demo/main.js', import.meta.url).href)) as {
    runDemo(args: readonly string[]): Promise<number | void>;
  };
  return (await runDemo(args)) ?? 0;
}

function explain(error: unknown): string {
  const { code, port, address, message, stack } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') return `port ${port} is in use: stop what listens there, or set PARTYLINE_HTTP_PORT (or _HTTPS_PORT) to another.`;
  if (code === 'EACCES' && port !== undefined) return `this user may not open port ${port}: choose one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `PARTYLINE_BIND: this machine has no address ${address}.`;
  if (code === 'ECONNREFUSED' || code === 'ENOTFOUND') return `the database does not answer (${message}): check DATABASE_URL.`;
  // What is thrown as a plain Error is a sentence for the operator; anything else is a fault of the program.
  const isForPeople = error instanceof SettingsError || (error instanceof Error && error.constructor === Error);
  return isForPeople ? message : (stack ?? String(error));
}
