import { parseArgs } from 'node:util';

export interface DemoOptions {
  /** Prints the summary as one line of JSON at the end. */
  readonly json: boolean;
  /** Decides what is said, the rhythm, and the moment at which a server dies. */
  readonly seed: number;
  readonly help: boolean;
}

export const demoUsage = `partyline demo [--json] [--seed N]

Three servers on this computer, two people in an encrypted room. Servers are killed while the two talk; in the end the
demonstration counts what was lost, repeated or shown in the wrong order. It takes less than a minute and leaves nothing behind.

  --json     print the figures as JSON in the last line
  --seed N   what is said, the rhythm, and how long until a server dies, as in another run
`;

/**
 * @param args the command line after `demo`
 * @param drawSeed gives the seed where none is asked for
 * @throws Error with a sentence for the person
 */
export function demoOptions(args: readonly string[], drawSeed: () => number): DemoOptions {
  const { values } = parseArgs({
    args: [...args],
    options: { json: { type: 'boolean' }, seed: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.seed !== undefined && !/^\d{1,9}$/.test(values.seed)) throw new Error('--seed: expected a whole number of at most nine digits');
  return { json: values.json ?? false, seed: values.seed === undefined ? drawSeed() : Number(values.seed), help: values.help ?? false };
}
