import { tableReport } from './report.ts';
import { runScenarios } from './run-scenarios.ts';
import { quickSize } from './scenario.ts';
import type { Scenario } from './scenario.ts';
import type { Target } from './target.ts';

const target = (name: string): Target => ({ name, use: () => null }) as Target;

/** A scenario that plays back figures and writes down who was asked when. */
function played(figures: Record<string, (number | Error)[]>, asked: string[], better: 'higher' | 'lower'): Scenario {
  return {
    name: 'played',
    what: '',
    metrics: [{ id: 'rate', unit: 'x/s', better }],
    warmUp: false,
    unavailable: ({ name }) => (figures[name] === undefined ? 'not here' : null),
    prepare: async () => {},
    run: async ({ name }) => {
      asked.push(name);
      const next = figures[name]?.shift();
      if (typeof next !== 'number') throw next ?? new Error('asked too often');
      return { rate: next };
    },
  };
}

describe('runScenarios', () => {
  it('runs the servers in turns and divides the medians', async () => {
    const asked: string[] = [];
    const scenario = played({ a: [100, 300, 200], b: [10, 40, 20] }, asked, 'higher');
    const { rows, problems } = await runScenarios([scenario], [target('a'), target('b')], quickSize, 3, () => {});
    expect(asked).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(problems).toEqual([]);
    expect(rows).toMatchObject([{ medians: [200, 20], values: [[100, 300, 200], [10, 40, 20]], ratio: 10 }]);
  });

  it('leaves a server out where the scenario broke or cannot run, and goes on with the other', async () => {
    const asked: string[] = [];
    const broken = played({ a: [1, new Error('500')], b: [5, 6] }, asked, 'higher');
    const absent = played({ a: [7, 8] }, asked, 'higher');
    const { rows, problems } = await runScenarios([broken, absent], [target('a'), target('b')], quickSize, 2, () => {});
    expect(rows.map((row) => row.medians)).toEqual([[null, 5.5], [7.5, null]]);
    expect(rows.map((row) => row.ratio)).toEqual([null, null]);
    expect(problems).toEqual([
      { scenario: 'played', server: 'a', skipped: false, reason: '500' },
      { scenario: 'played', server: 'b', skipped: true, reason: 'not here' },
    ]);
  });

  it('says which server the ratio speaks for', async () => {
    const report = async (better: 'higher' | 'lower', ours: number): Promise<string> => {
      const scenario = played({ a: [ours], b: [10] }, [], better);
      const found = await runScenarios([scenario], [target('a'), target('b')], quickSize, 1, () => {});
      return tableReport({ servers: ['a', 'b'], quick: false, rounds: 1, machine: 'test', ...found }, true);
    };
    expect(await report('higher', 20)).toMatch(/\| 20\.0 \| 10\.0 \| 2\.00 \| better \|/);
    expect(await report('lower', 20)).toMatch(/\| 2\.00 \| worse \|/);
    expect(await report('lower', 10.1)).toMatch(/\| 1\.01 \| even \|/);
  });
});
