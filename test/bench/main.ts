import { exec } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpus, totalmem } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

import { parseOptions, usage } from './options.ts';
import type { BenchOptions, ServerOptions } from './options.ts';
import { PartylineProcess } from './partyline-process.ts';
import { jsonReport, tableReport } from './report.ts';
import { runScenarios } from './run-scenarios.ts';
import { fullSize, quickSize } from './scenario.ts';
import { chooseScenarios, scenarios } from './scenarios/index.ts';
import { runningTarget, startedTarget } from './target.ts';
import type { Target } from './target.ts';

const note = (line: string): void => void process.stderr.write(`${line}\n`);

async function main(options: BenchOptions): Promise<number> {
  const chosen = chooseScenarios(options.only);
  const targets: Target[] = [];
  const interrupt = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    const stop = (): void => {
      interrupt.abort();
      reject(new Error('interrupted'));
    };
    // "on", not "once": a terminal's Ctrl-C arrives twice, from the terminal and from the launcher.
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, stop);
  });
  // Nobody listens to it yet while the servers start; their own abort ends that.
  interrupted.catch(() => {});
  try {
    targets.push(await openTarget(options.main.url === null ? 'partyline' : 'server', options.main, interrupt.signal));
    if (options.peer !== null) targets.push(await openTarget('peer', options.peer, interrupt.signal));
    const size = options.quick ? quickSize : fullSize;
    const { rows, problems } = await Promise.race([
      runScenarios(chosen, targets, size, options.rounds, note), interrupted,
    ]);
    const report = {
      servers: targets.map((target) => target.name), quick: options.quick, rounds: options.rounds, machine: machine(),
      rows, problems,
    };
    const text = options.format === 'json' ? jsonReport(report) : tableReport(report, options.format === 'markdown');
    process.stdout.write(`${text}\n`);
    return problems.some((problem) => !problem.skipped) ? 1 : 0;
  } finally {
    await Promise.allSettled(targets.map((target) => target.close()));
  }
}

async function openTarget(name: string, options: ServerOptions, interrupt: AbortSignal): Promise<Target> {
  const prefix = `bench${randomBytes(4).toString('hex')}`;
  if (options.url === null) {
    note('starting Partyline on a throwaway data folder');
    return startedTarget(name, await PartylineProcess.start(options.databaseUrl, interrupt), prefix);
  }
  const { url, restart } = options;
  await untilAnswering(url, interrupt);
  return runningTarget(name, url, options, prefix, restart === null ? null : async () => {
    const began = performance.now();
    await promisify(exec)(restart);
    await untilAnswering(url, interrupt);
    return performance.now() - began;
  });
}

/** Waits up to a minute for the server's first answer. */
async function untilAnswering(url: string, interrupt: AbortSignal): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const answer = await fetch(`${url}/_matrix/client/versions`).catch((error: Error) => error);
    if (answer instanceof Response && answer.ok) return;
    if (performance.now() > deadline) throw new Error(`${url} does not answer`);
    await delay(10, undefined, { signal: interrupt });
  }
}

function machine(): string {
  const cores = cpus();
  const model = cores[0]?.model.trim() ?? 'unknown';
  return `${cores.length} cores (${model}), ${Math.round(totalmem() / 2 ** 30)} GB, Node ${process.versions.node}`;
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) process.stdout.write(usage);
  else if (options.list) process.stdout.write(scenarios.map(({ name, what }) => `${name.padEnd(14)}${what}\n`).join(''));
  else process.exitCode = await main(options);
} catch (error) {
  note(error instanceof Error ? error.message : String(error));
  // A scenario that was interrupted still holds sockets and timers.
  process.exit(2);
}
