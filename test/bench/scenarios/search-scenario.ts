import { perSecond, runLoad } from '../load.ts';
import { always } from '../scenario.ts';
import type { Scenario } from '../scenario.ts';
import { percentile } from '../statistics.ts';
import { itemAt, kilobyte } from '../world.ts';
import type { World } from '../world.ts';

const searchers = 4;
const searchRooms = 8;
const messages = 2_000;
/** In how many of the messages each of the words is. */
const words = [messages, messages / 10, messages / 100];
const filled = new WeakSet<World>();

interface Found {
  search_categories: { room_events: { count: number; results: unknown[] } };
}

async function find(world: World, accessToken: string, term: string): Promise<Found['search_categories']['room_events']> {
  const body = { search_categories: { room_events: { search_term: term, order_by: 'recent', keys: ['content.body'] } } };
  return (await world.http.json<Found>('POST', '/_matrix/client/v3/search', accessToken, body)).search_categories.room_events;
}

export const search: Scenario = {
  name: 'search',
  what: `searches for words of ${words.join(', ')} messages in ${searchRooms} rooms, ${searchers} accounts at once, newest first`,
  metrics: [
    { id: 'rate', unit: 'searches/s', better: 'higher' },
    { id: 'p50', unit: 'ms', better: 'lower' },
    { id: 'p95', unit: 'ms', better: 'lower' },
  ],
  warmUp: true,
  unavailable: always,
  prepare: async ({ world }) => {
    const users = await world.users('searchers', searchers);
    const rooms = await world.rooms(searchRooms);
    await world.ensureMembers(users.flatMap((user) => rooms.map((roomId) => [user, roomId] as const)));
    if (filled.has(world)) return;
    const text = (n: number): string => words.flatMap((count, index) => (n % (messages / count) === 0 ? [`searchword${index}`] : [])).join(' ');
    await runLoad(searchers, { operations: messages }, (client, sequence) => world.send(itemAt(users, client), itemAt(rooms, sequence), `${text(sequence)} ${kilobyte(`found ${sequence}`)}`));
    filled.add(world);
  },
  run: async ({ world }, size) => {
    const users = await world.users('searchers', searchers);
    const result = await runLoad(searchers, { durationMs: size.windowMs }, async (client, sequence) => {
      const { results } = await find(world, itemAt(users, client).accessToken, `searchword${sequence % words.length}`);
      if (results.length !== 10) throw new Error(`a search found ${results.length} of 10 messages`);
    });
    return { rate: perSecond(result), p50: percentile(result.latencies, 0.5), p95: percentile(result.latencies, 0.95) };
  },
};
