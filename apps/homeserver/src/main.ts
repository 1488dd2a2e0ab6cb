import { serve } from './commands/serve.js';
import { SettingsError } from './config/settings-error.js';
import { operatorSentence } from './storage/operator-errors.js';

/** What `partyline admin` does; each gets what follows its name. Loaded when asked for: a server that runs holds none of it. */
const operatorCommands: Readonly<Record<string, () => Promise<(args: readonly string[]) => Promise<number>>>> = {
  'create-user': async () => (await import('./commands/create-user.js')).createUser,
  'reset-password': async () => (await import('./commands/reset-password.js')).resetPassword,
  'log-level': async () => (await import('./commands/log-level.js')).logLevel,
  restored: async () => (await import('./commands/after-restore.js')).restored,
  'end-sessions': async () => (await import('./commands/after-restore.js')).endSessions,
};

/**
 * Runs a command, which `bin/command-line.js` has checked.
 *
 * @param args the command line after the program's name
 * @returns exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  const [command, ...rest] = args;
  try {
    if (command === 'serve') return await serve();
    if (command === 'demo') return await demo(rest);
    const load = command === 'admin' ? operatorCommands[rest[0] ?? ''] : undefined;
    if (!load) throw new Error(`there is no command "${args.join(' ')}"`);
    return await (await load())(rest.slice(1));
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
  const sentence = operatorSentence(error, true);
  // What is thrown as a plain Error is a sentence for the operator; anything else is a fault of the program.
  const isForPeople = error instanceof SettingsError || (error instanceof Error && error.constructor === Error && !('code' in error));
  if (isForPeople) return error.message;
  return sentence ?? (error as Error).stack ?? String(error);
}
