import { randomInt } from 'node:crypto';
import { stopSignal } from '../commands/stop-signal.js';
import { demoOptions, demoUsage, type DemoOptions } from './demo-options.js';
import { Narrator } from './narrator.js';
import { seededRandom } from './seeded-random.js';
import { silenceSdk } from './silent-logger.js';
import { Stage } from './stage.js';
import { Story } from './story.js';
import { isGood, printSummary, summaryOf } from './summary.js';

const INTERRUPTED = 130;

/**
 * `partyline demo`: tells on stdout what happens to a conversation when servers die.
 *
 * @param args the command line after `demo`
 * @returns exit status: 0 when nothing was lost or shown twice
 */
export async function runDemo(args: readonly string[]): Promise<number> {
  let options: DemoOptions;
  try {
    options = demoOptions(args, () => randomInt(1, 10_000));
  } catch (error) {
    process.stderr.write(`partyline demo: ${(error as Error).message}\n\n${demoUsage}`);
    return 2;
  }
  if (options.help) {
    process.stdout.write(demoUsage);
    return 0;
  }
  const asked = stopSignal(() => performance.now());
  const cleanUp: (() => Promise<void> | void)[] = [];
  try {
    return await Promise.race([perform(options, cleanUp), asked.then(() => INTERRUPTED)]);
  } finally {
    for (const step of cleanUp.toReversed()) await step();
  }
}

/** @param cleanUp gets what is to be done at the end, in reverse order, also when it ends early */
async function perform(options: DemoOptions, cleanUp: (() => Promise<void> | void)[]): Promise<number> {
  silenceSdk();
  const now = (): number => performance.now();
  const started = now();
  const narrator = new Narrator({
    write: (text) => void process.stdout.write(text),
    now,
    colours: process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined,
  });
  narrator.plain(`${narrator.bold('Partyline')}: a conversation that outlives its servers. Seed ${options.seed}. The numbers on the left are seconds.`);
  const stage = await Stage.open({ labels: ['A', 'B', 'C'], progress: (what) => narrator.say(`${what} …`) });
  cleanUp.push(() => stage.close());
  const story = new Story({ servers: stage.servers, narrator, draw: seededRandom(options.seed), now });
  cleanUp.push(() => story.close());
  try {
    const outcome = await story.tell();
    const summary = summaryOf(outcome, options.seed, now() - started);
    printSummary(summary, outcome, narrator);
    if (options.json) narrator.plain(JSON.stringify(summary));
    return isGood(summary) ? 0 : 1;
  } catch (error) {
    narrator.plain();
    narrator.plain(narrator.bad(`The demonstration could not go on: ${(error as Error).message}.`));
    for (const server of stage.servers) {
      const lines = server.lastLines.slice(-5);
      if (lines.length > 0) narrator.plain(`Last words of ${server.label}:\n${lines.map((line) => `  ${line.slice(0, 500)}`).join('\n')}`);
    }
    return 1;
  }
}
