import { setTimeout as delay } from 'node:timers/promises';

import type { Scenario } from '../scenario.ts';
import type { Target } from '../target.ts';

const megabyte = 1024 * 1024;

/** Resident memory of the server; what it has done before depends on the scenario's place in the run. */
function memory(name: string, what: string): Scenario {
  return {
    name,
    what,
    metrics: [{ id: 'rss', unit: 'MB', better: 'lower' }],
    warmUp: false,
    unavailable: (target) => (target.use() === null ? 'its process is not known (--pid)' : null),
    prepare: async () => delay(2_000),
    run: async (target) => {
      const use = target.use();
      if (use === null) throw new Error('the server process is gone');
      return { rss: use.rss / megabyte };
    },
  };
}

export const idleMemory = memory('idleMemory', 'resident memory of the server before any load (without PostgreSQL)');
export const loadedMemory = memory('loadedMemory', 'the same after the scenarios before it');

export const start: Scenario = {
  name: 'start',
  what: 'from spawning the process to its first answer: with its database there, and on an empty data folder',
  metrics: [
    { id: 'again', unit: 'ms', better: 'lower' },
    { id: 'first', unit: 'ms', better: 'lower' },
  ],
  warmUp: false,
  unavailable: (target) => (target.restart === null ? 'nothing says how to restart it (--restart)' : null),
  prepare: async () => {},
  run: async (target: Target) => {
    if (target.restart === null) throw new Error('no restart');
    const again = await target.restart();
    const first = target.firstStart === null ? Number.NaN : await target.firstStart();
    return { again, first };
  },
};
