import { countsBetween, DatabaseCounters } from '../database-counters.ts';
import type { DatabaseCounts } from '../database-counters.ts';
import { runLoad } from '../load.ts';
import type { Scenario } from '../scenario.ts';
import type { Target } from '../target.ts';
import { itemAt, kilobyte } from '../world.ts';
import { emptySync, quietAccounts } from './sync-scenarios.ts';

const events = 400;
const syncs = 400;

/** Counts per second at rest. */
type Rates = DatabaseCounts;

/** What the database did for a piece of work, less what it does in the same time when nobody asks for anything. */
async function costOf(counters: DatabaseCounters, quiet: Rates, work: () => Promise<unknown>): Promise<DatabaseCounts> {
  const before = await counters.settled();
  const began = performance.now();
  await work();
  const grown = countsBetween(before, await counters.settled());
  const seconds = (performance.now() - began) / 1000;
  return {
    writes: grown.writes - quiet.writes * seconds,
    transactions: grown.transactions - quiet.transactions * seconds,
    statements: grown.statements === null ? null : grown.statements - (quiet.statements ?? 0) * seconds,
  };
}

async function restRates(counters: DatabaseCounters): Promise<Rates> {
  const before = await counters.settled();
  const began = performance.now();
  const grown = countsBetween(before, await counters.settled());
  const seconds = (performance.now() - began) / 1000;
  return {
    writes: grown.writes / seconds,
    transactions: grown.transactions / seconds,
    statements: grown.statements === null ? null : grown.statements / seconds,
  };
}

async function senders(target: Target): Promise<void> {
  const users = await target.world.users('writers', 16);
  const rooms = await target.world.rooms(39);
  await target.world.ensureMembers(users.map((user, index) => [user, itemAt(rooms, index)] as const));
}

export const database: Scenario = {
  name: 'database',
  what: 'transactions and statements per sent event (16 accounts at once) and per empty sync; about a minute a round',
  metrics: [
    { id: 'writes/event', unit: '', better: 'lower' },
    { id: 'transactions/event', unit: '', better: 'lower' },
    { id: 'statements/event', unit: '', better: 'lower' },
    { id: 'transactions/sync', unit: '', better: 'lower' },
    { id: 'statements/sync', unit: '', better: 'lower' },
  ],
  warmUp: false,
  unavailable: (target) => (target.databaseUrl === null ? 'its database is not known (--database-url)' : null),
  prepare: senders,
  run: async (target) => {
    const { world } = target;
    const users = await world.users('writers', 16);
    const rooms = await world.rooms(39);
    const accounts = await quietAccounts(world);
    const counters = await DatabaseCounters.open(target.databaseUrl ?? '');
    try {
      const quiet = await restRates(counters);
      const sending = await costOf(counters, quiet, () => runLoad(16, { operations: events }, (client, sequence) =>
        world.send(itemAt(users, client), itemAt(rooms, client), kilobyte(`counted ${sequence}`))));
      // The messages above were news for some: bring the tokens up to date before the counting begins.
      const fresh = await quietAccounts(world);
      const syncing = await costOf(counters, quiet, () => runLoad(accounts.length, { operations: syncs }, (client) =>
        emptySync(world, itemAt(fresh, client))));
      return {
        'writes/event': sending.writes / events,
        'transactions/event': sending.transactions / events,
        'statements/event': sending.statements === null ? Number.NaN : sending.statements / events,
        'transactions/sync': syncing.transactions / syncs,
        'statements/sync': syncing.statements === null ? Number.NaN : syncing.statements / syncs,
      };
    } finally {
      await counters.close();
    }
  },
};
