import { runModel, type Failure } from './run-model.ts';

// npm run model:rooms: MODEL_RUNS histories from MODEL_SEED on.
const runs = Number(process.env['MODEL_RUNS'] ?? 100_000);
const seed = Number(process.env['MODEL_SEED'] ?? 1);
const stopAt = Number(process.env['MODEL_STOP'] ?? 1);
const started = performance.now();
let told = 0;
function tell(failures: readonly Failure[]): void {
  for (const failure of failures.slice(told)) {
    process.stdout.write(`\nseed ${failure.seed}\n  ${failure.story.join('\n  ')}\n  => ${failure.faults.join('\n  => ')}\n`);
  }
  told = failures.length;
}
const result = runModel({ seed, runs, stopAt, measures: true, progress: (done, failures) => {
  tell(failures);
  process.stdout.write(`${done} histories, ${failures.length} failed, ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
} });
tell(result.failures);
process.stdout.write(`${result.runs} histories, ${result.events} events, ${result.failures.length} failed; in ${result.decidedBefore} something is as it was decided before a revocation was known; in ${result.resolvedOtherwise} another member event was shown for its record and Matrix resolved otherwise; in ${result.undoneByMatrix} Matrix's own resolution undid acknowledged state\n`);
process.exit(result.failures.length === 0 ? 0 : 1);
