import { drawHistory, type Step } from './history.ts';
import { judge, type Judgement } from './oracle.ts';
import { play } from './play.ts';
import { seeded } from './random.ts';

export interface Failure {
  readonly seed: number;
  readonly faults: readonly string[];
  /** What happened in the smallest history with a fault of the kind, line by line. */
  readonly story: readonly string[];
}

export interface ModelResult {
  readonly failures: readonly Failure[];
  readonly runs: number;
  readonly events: number;
  /** Histories in which a member event that is shown for its record changed what Matrix makes of the rest. */
  readonly resolvedOtherwise: number;
  /** Histories in which something is as it was decided before a revocation was known. */
  readonly decidedBefore: number;
  /** Histories in which Matrix's own resolution undid acknowledged state, homes or not. */
  readonly undoneByMatrix: number;
}

/**
 * Plays random histories over the real rules.
 *
 * @param options.stopAt failures after which it gives up
 */
export function runModel(options: { seed: number; runs: number; stopAt?: number; measures?: boolean; progress?: (done: number, failures: readonly Failure[]) => void }): ModelResult {
  const failures: Failure[] = [];
  let [events, undoneByMatrix, resolvedOtherwise, decidedBefore, runs] = [0, 0, 0, 0, 0];
  for (; runs < options.runs && failures.length < (options.stopAt ?? 1); runs++) {
    const seed = options.seed + runs;
    const steps = drawHistory(seeded(seed));
    const result = outcome(steps, options.measures);
    events += result.events;
    resolvedOtherwise += result.isResolvedOtherwise ? 1 : 0;
    decidedBefore += result.isDecidedBefore ? 1 : 0;
    undoneByMatrix += result.undoneByMatrix > 0 ? 1 : 0;
    if (result.faults.length > 0) failures.push({ seed, ...shrink(steps) });
    if ((runs + 1) % 1_000 === 0) options.progress?.(runs + 1, failures);
  }
  return { failures, runs, events, resolvedOtherwise, decidedBefore, undoneByMatrix };
}

function outcome(steps: readonly Step[], measures = false): Judgement & { story: readonly string[]; events: number } {
  const world = play(steps);
  return { ...judge(world, measures), story: world.story, events: world.dag.nodes.size };
}

/** Leaves out what is not needed for a fault, in ever smaller pieces. */
function shrink(steps: readonly Step[]): { faults: readonly string[]; story: readonly string[] } {
  let smallest = steps;
  for (let size = Math.ceil(steps.length / 2); size >= 1; size = size > 1 ? Math.ceil(size / 2) : 0) {
    for (let at = 0; at < smallest.length;) {
      const without = smallest.toSpliced(at, size);
      if (outcome(without).faults.length > 0) smallest = without;
      else at += size;
    }
  }
  const { faults, story } = outcome(smallest);
  return { faults, story };
}
