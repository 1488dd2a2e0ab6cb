import type { Scenario } from '../scenario.ts';
import { database } from './database-scenario.ts';
import { idleMemory, loadedMemory, start } from './process-scenarios.ts';
import { search } from './search-scenario.ts';
import { slidingSync } from './sliding-scenario.ts';
import { fanout, idleSync, initialSync } from './sync-scenarios.ts';
import { createRoom, join100, register, send1, send16, send64 } from './write-scenarios.ts';

/** All scenarios in the order of a run: memory before any load comes first, the restart last. */
export const scenarios: readonly Scenario[] = [
  idleMemory, register, createRoom, join100, send1, send16, send64, initialSync, slidingSync, idleSync, fanout, search, database,
  loadedMemory, start,
];

/**
 * The scenarios with these names, in the order of a run; all for an empty list.
 * @throws Error for a name that there is not
 */
export function chooseScenarios(names: readonly string[]): readonly Scenario[] {
  const unknown = names.find((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown !== undefined) throw new Error(`no scenario "${unknown}"; see --list`);
  return names.length === 0 ? scenarios : scenarios.filter((scenario) => names.includes(scenario.name));
}
