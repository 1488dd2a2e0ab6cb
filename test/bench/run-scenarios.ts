import { figure } from './figure.ts';
import type { Scenario, Size } from './scenario.ts';
import { median } from './statistics.ts';
import type { Target } from './target.ts';

/** What one metric came to on the servers, in the order of the targets. */
export interface ResultRow {
  scenario: string;
  metric: string;
  unit: string;
  better: 'higher' | 'lower' | 'neither';
  /** One list per server, one value per round; empty where it could not be measured. */
  values: number[][];
  /** Median of each list; null where it is empty. */
  medians: (number | null)[];
  /** Median of the first server over median of the second; null without a second. */
  ratio: number | null;
  /**
   * Highest share of one core that the generator itself used in any round: near 1, it is the generator that is
   * measured. Null where the round was too short to tell.
   */
  generatorCpu: number | null;
  /** Per server: cores that its processes used (without PostgreSQL), median over the rounds; null when unknown. */
  serverCpu: (number | null)[];
}

export interface Problem {
  scenario: string;
  server: string;
  /** True for a scenario that cannot run there; false for one that broke. */
  skipped: boolean;
  reason: string;
}

/** Below this a share of CPU is noise. */
const shortestMs = 200;

interface Round {
  values: Record<string, number>;
  generatorCpu: number | null;
  serverCpu: number | null;
}

/**
 * Runs the scenarios, each in turns over the servers (A B A B …), so that a change of the machine's mood hits both.
 * A scenario that breaks on a server is reported and left out there; the others go on.
 * @param note is told what happens, a line at a time
 */
export async function runScenarios(
  chosen: readonly Scenario[], targets: readonly Target[], size: Size, rounds: number, note: (line: string) => void,
): Promise<{ rows: ResultRow[]; problems: Problem[] }> {
  const rows: ResultRow[] = [];
  const problems: Problem[] = [];
  for (const scenario of chosen) {
    const results = new Map<Target, Round[]>();
    const report = (target: Target, skipped: boolean, reason: string): void => {
      results.delete(target);
      problems.push({ scenario: scenario.name, server: target.name, skipped, reason });
      note(`${scenario.name} on ${target.name} ${skipped ? 'skipped' : 'FAILED'}: ${reason}`);
    };
    for (const target of targets) {
      const reason = scenario.unavailable(target);
      if (reason !== null) {
        report(target, true, reason);
        continue;
      }
      try {
        await scenario.prepare(target, size);
        if (scenario.warmUp) await scenario.run(target, { ...size, windowMs: 1_000 });
        results.set(target, []);
      } catch (error) {
        report(target, false, sentence(error));
      }
    }
    for (let round = 1; round <= rounds; round += 1) {
      for (const [target, done] of results) {
        try {
          const result = await measure(scenario, target, size);
          done.push(result);
          note(`${scenario.name} ${round}/${rounds} on ${target.name}: ${oneLine(scenario, result)}`);
        } catch (error) {
          report(target, false, sentence(error));
        }
      }
    }
    rows.push(...rowsOf(scenario, targets.map((target) => results.get(target) ?? [])));
  }
  return { rows, problems };
}

async function measure(scenario: Scenario, target: Target, size: Size): Promise<Round> {
  const before = target.use();
  const cpu = process.cpuUsage();
  const began = performance.now();
  const values = await scenario.run(target, size);
  const wallMs = performance.now() - began;
  const own = process.cpuUsage(cpu);
  const after = target.use();
  if (wallMs < shortestMs) return { values, generatorCpu: null, serverCpu: null };
  const served = before === null || after === null ? null : (after.cpuMs - before.cpuMs) / wallMs;
  // A restart in between starts the counting anew.
  const serverCpu = served !== null && served < 0 ? null : served;
  return { values, generatorCpu: (own.user + own.system) / 1000 / wallMs, serverCpu };
}

function rowsOf(scenario: Scenario, perTarget: Round[][]): ResultRow[] {
  const shares = perTarget.flat().flatMap((round) => round.generatorCpu ?? []);
  const generatorCpu = shares.length === 0 ? null : Math.max(...shares);
  const serverCpu = perTarget.map((rounds) => middle(rounds.flatMap((round) => round.serverCpu ?? [])));
  const rows = scenario.metrics.map((metric): ResultRow => {
    const values = perTarget.map((rounds) =>
      rounds.map((round) => round.values[metric.id] ?? Number.NaN).filter((value) => !Number.isNaN(value)));
    const medians = values.map(middle);
    const [ours, theirs] = medians;
    return {
      scenario: scenario.name, metric: metric.id, unit: metric.unit, better: metric.better, values, medians,
      ratio: typeof ours === 'number' && typeof theirs === 'number' && theirs !== 0 ? ours / theirs : null,
      generatorCpu, serverCpu,
    };
  });
  return rows.filter((row) => row.medians.some((value) => value !== null));
}

function middle(values: number[]): number | null {
  return values.length === 0 ? null : median(values);
}

function oneLine(scenario: Scenario, round: Round): string {
  const figures = scenario.metrics.map((metric) =>
    `${metric.id} ${figure(round.values[metric.id] ?? null)} ${metric.unit}`.trim()).join(', ');
  return round.generatorCpu === null ? figures : `${figures} (generator ${Math.round(round.generatorCpu * 100)} % of a core)`;
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
