import { gatherReplicas } from './replica-gathering.js';
import type { ReplicaAnswer } from './replica-requests.js';

const made = (count: number, from: string): string[] => Array.from({ length: count }, (_, i) => `${i}.${from}`);

/** Who is asked, where these servers answer with these names and all others do not. */
async function asked(named: readonly string[], answers: Readonly<Record<string, readonly string[]>>): Promise<{ asked: string[]; answered: string[] }> {
  const seen: string[] = [];
  const ask = async (server: string): Promise<ReplicaAnswer> => {
    seen.push(server);
    const servers = answers[server];
    if (!servers) throw new Error('silent');
    return { server, servers, seen: [] } as unknown as ReplicaAnswer;
  };
  let now = 0;
  const found = await gatherReplicas(ask, named, 'own', [], () => (now += 1));
  return { asked: seen, answered: found.answers.map((answer) => answer.server) };
}

it('asks whom an honest replica names, whatever those that answered before it have made up', async () => {
  const found = await asked(['liar', 'good'], { liar: made(1_000, 'liar'), good: ['own', 'liar', 'dear'], dear: ['far'], far: [] });
  expect(found.answered).toEqual(['liar', 'good', 'dear', 'far']);
  expect(found.asked.length).toBeLessThanOrEqual(50);
});

it('counts what made-up servers name against who made them up', async () => {
  const liars = Object.fromEntries(made(60, 'liar').map((name, i) => [name, made(60, `${i}.liar`)]));
  const found = await asked(['liar', 'good'], { ...liars, liar: made(60, 'liar'), good: ['dear'], dear: [] });
  expect(found.answered).toContain('dear');
  expect(found.asked.length).toBeLessThanOrEqual(50);
});

it('asks as many as one names who is the only one known', async () => {
  expect((await asked(['good'], { good: made(100, 'room') })).asked).toHaveLength(50);
});

it('leaves each a place however many are named', async () => {
  const named = made(30, 'named');
  const found = await asked(named, { ...Object.fromEntries(named.map((name) => [name, made(10, name)])) });
  for (const name of named) expect(found.asked.filter((server) => server.endsWith(`.${name}`) && server !== name)).toHaveLength(2);
  expect((await asked([], {})).asked).toEqual([]);
});
