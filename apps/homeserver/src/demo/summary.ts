import type { Narrator } from './narrator.js';
import type { Outcome } from './story.js';

/** The last line of `--json`. Times in milliseconds. */
export interface Summary {
  readonly acknowledged: number;
  readonly lost: number;
  readonly duplicated: number;
  /** Repeats in the answers themselves, which the client's library would hide. */
  readonly repeated_in_answers: number;
  readonly out_of_order: number;
  /** Longest pause in writing or reading that anybody saw while Alice had a home. */
  readonly gap_ms_max: number;
  /** From kill -9 to Alice's next acknowledged message. */
  readonly failover_ms: number;
  readonly catch_up_ms: number;
  /** From the death of the last home until Alice wrote through the emergency home. */
  readonly no_home_ms: number;
  readonly seen: Readonly<Record<string, number>>;
  readonly seed: number;
  readonly duration_ms: number;
}

export function summaryOf(outcome: Outcome, seed: number, durationMs: number): Summary {
  const figures = outcome.ledger.figures();
  return {
    acknowledged: figures.acknowledged,
    lost: figures.lost,
    duplicated: figures.duplicated,
    repeated_in_answers: outcome.repeated.length,
    out_of_order: figures.outOfOrder,
    gap_ms_max: Math.round(figures.longestPauseMs),
    failover_ms: Math.round(outcome.failoverMs),
    catch_up_ms: Math.round(outcome.catchUpMs),
    no_home_ms: Math.round(outcome.noHomeMs),
    seen: Object.fromEntries(Object.entries(figures.readers).map(([reader, { seen }]) => [reader, seen])),
    seed,
    duration_ms: Math.round(durationMs),
  };
}

/** Whether the demonstration showed what it is for. */
export function isGood(summary: Summary): boolean {
  return summary.acknowledged > 0 && summary.lost === 0 && summary.duplicated === 0 && summary.repeated_in_answers === 0;
}

/** The figures for people. */
export function printSummary(summary: Summary, outcome: Outcome, narrator: Narrator): void {
  const { readers } = outcome.ledger.figures();
  const row = (what: string, value: number, unit = '', isBad = false): void => {
    const shown = `${value.toLocaleString('en-US')}${unit}`.padStart(9);
    narrator.plain(`   ${what.padEnd(46)}${isBad ? narrator.bad(shown) : shown}`);
  };
  narrator.plain();
  row('messages acknowledged', summary.acknowledged);
  row('   seen by Alice (written through A, B, then C)', readers['alice']!.seen);
  row('   seen by Bob', readers['bob']!.seen);
  row('lost', summary.lost, '', summary.lost > 0);
  row('shown twice', summary.duplicated, '', summary.duplicated > 0);
  row('told twice, below what is shown', summary.repeated_in_answers, '', summary.repeated_in_answers > 0);
  row('shown out of order', summary.out_of_order, '', summary.out_of_order > 0);
  row('longest pause while Alice had a home', summary.gap_ms_max, ' ms');
  row('   after kill -9 of the home in use', summary.failover_ms, ' ms');
  row('emergency home found after', summary.no_home_ms, ' ms');
  narrator.plain();
  for (const what of outcome.unseen.slice(0, 10)) narrator.plain(narrator.bad(`   ${what}`));
  narrator.plain(isGood(summary) ? narrator.good('   Nothing was lost, nothing was shown twice.') : narrator.bad('   That is not as it should be.'));
  narrator.plain('   The same words, rhythm and pauses before a server dies, in another run (how long things take is up to the machine):');
  narrator.plain(`   npm run demo -- --seed ${summary.seed}`);
  narrator.plain();
}
