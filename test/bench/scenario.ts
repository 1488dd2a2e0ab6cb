import type { Target } from './target.ts';

/** One figure that a scenario yields. */
export interface Metric {
  id: string;
  unit: string;
  /** Which direction is good; `neither` for figures that only explain the others. */
  better: 'higher' | 'lower' | 'neither';
}

/** How much of everything a run does. */
export interface Size {
  /** Length of a measured window. */
  windowMs: number;
  /** Messages per fan-out round. */
  fanoutMessages: number;
  /** Accounts that do initial syncs. */
  readers: number;
}

export const fullSize: Size = { windowMs: 5_000, fanoutMessages: 10, readers: 4 };
export const quickSize: Size = { windowMs: 2_000, fanoutMessages: 4, readers: 2 };

export interface Scenario {
  name: string;
  /** One line for `--list`. */
  what: string;
  metrics: readonly Metric[];
  /** True when a short window should be thrown away first, for compilers and caches to warm up. */
  warmUp: boolean;
  /** Why this target cannot run it; null when it can. */
  unavailable(target: Target): string | null;
  /** Makes accounts and rooms; not measured, and cheap the second time. */
  prepare(target: Target, size: Size): Promise<void>;
  /** One round: a value for each metric. */
  run(target: Target, size: Size): Promise<Record<string, number>>;
}

/** For scenarios that need nothing but the API. */
export const always = (): null => null;
