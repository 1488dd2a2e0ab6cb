import type { Draw } from './random.ts';

/** One step of a history; numbers are indices, taken modulo what there is, so that a history stays one when steps are left out. */
export interface Step {
  readonly what: What;
  readonly who: number;
  readonly whom: number;
  readonly where: number;
  readonly mask: number;
  /** How far the clock of the acting server is off, in ticks. */
  readonly skew: number;
  readonly choice: number;
}

const kinds = {
  topic: 10, levels: 8, kick: 4, ban: 4, unban: 2, invite: 3, leave: 4, join: 5, rules: 4, name: 3, say: 4,
  cut: 7, heal: 5, kill: 1, drop: 4, revoke: 5, close: 2, add: 4, emergency: 3, 'drop apart': 2, 'add apart': 2, 'revoke apart': 1, merge: 2, seize: 2, strike: 12, 'strike old': 8,
} as const;
export type What = keyof typeof kinds;

const weighted = Object.entries(kinds).flatMap(([what, weight]) => Array.from({ length: weight }, () => what as What));

export function drawHistory(draw: Draw): Step[] {
  return Array.from({ length: 8 + draw(34) }, () => ({
    what: weighted[draw(weighted.length)]!, who: draw(1_000), whom: draw(1_000), where: draw(1_000), mask: draw(64), skew: draw(4) === 0 ? draw(60) - 30 : 0, choice: draw(1_000),
  }));
}
