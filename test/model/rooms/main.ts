import { runModel } from './run-model.ts';

// npm run model:rooms: MODEL_RUNS histories from MODEL_SEED on.
const runs = Number(process.env['MODEL_RUNS'] ?? 100_000);
const seed = Number(process.env['MODEL_SEED'] ?? 1);
const stopAt = Number(process.env['MODEL_STOP'] ?? 1);
const started = performance.now();
const result = runModel({ seed, runs, stopAt, measures: true, progress: (done, { length: failed }) => {
  process.stdout.write(`${done} histories, ${failed} failed, ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
} });
for (const failure of result.failures) {
  process.stdout.write(`\nseed ${failure.seed}\n  ${failure.story.join('\n  ')}\n  => ${failure.faults.join('\n  => ')}\n`);
}
process.stdout.write(`${result.runs} histories, ${result.events} events, ${result.failures.length} failed; in ${result.setBack} state that a revoked home had replaced came out as before; in ${result.resolvedOtherwise} another member event was shown for its record and Matrix resolved otherwise; in ${result.undoneByMatrix} Matrix's own resolution undid acknowledged state\n`);
process.exit(result.failures.length === 0 ? 0 : 1);
