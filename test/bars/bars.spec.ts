import { Bars } from './bars.js';
import { type Figures, Gauge, isKept } from './gauge.js';

/** Beside very many peers a move-in starts within this time. */
const MOVE_IN_BESIDE_MANY_MS = 2_000;

/** Silent peers, and as many that take 14 s for each answer. Times are measured by `npm run bars` only, never with every change. */
const PEERS = Number(process.env['BARS_PEERS'] ?? 100);
/** Measurements of each kind, before and beside the load. */
const SAMPLES = Number(process.env['BARS_SAMPLES'] ?? 200);
/** With few samples on a machine that does other things, the slowest one says nothing. */
const QUANTILE = SAMPLES >= 100 ? 0.99 : 0.5;

let bars: Bars;
let quiet: Figures;

beforeAll(async () => {
  bars = await Bars.start();
  const gauge = new Gauge(bars);
  await gauge.measure(Math.min(SAMPLES, 20));
  quiet = await gauge.measure(SAMPLES);
}, 300_000);
afterAll(() => bars?.stop(), 120_000);

/** @returns what is not within twice its quiet value plus 100 ms, or within the bound of its own that `bounds` gives, in milliseconds */
async function beside(load: string, bounds: Readonly<Record<string, number>> = {}): Promise<string[]> {
  const loud = await new Gauge(bars).measure(SAMPLES);
  const rows = Object.keys(quiet).map((kind) => ({ kind, quiet: quiet[kind]!(QUANTILE), loud: loud[kind]!(QUANTILE) }));
  for (const kind of process.env['BARS_PEERS'] ? Object.keys(quiet) : []) {
    const figures = [0.5, QUANTILE].map((at) => `p${at * 100} ${quiet[kind]!(at)} ms quiet, ${loud[kind]!(at)} ms beside it`);
    process.stderr.write(`${load}: ${kind} ${[...new Set(figures)].join('; ')}\n`);
  }
  const kept = (row: (typeof rows)[number]): boolean => (bounds[row.kind] ? row.loud <= bounds[row.kind]! : isKept(row.quiet, row.loud));
  return rows.filter((row) => !kept(row)).map((row) => `${row.kind}: ${row.quiet} ms, then ${row.loud} ms`);
}

describe('others notice nothing', () => {
  it('of a silent peer, a slow one, one that talks nonsense, and an account at its limits', async () => {
    await bars.addPeers({ silent: 1, slow: 1 });
    await bars.talkNonsense();
    await bars.exhaustLimits();
    expect(await beside('four nuisances')).toEqual([]);
  }, 600_000);

  it('of many silent and many slow peers', async () => {
    await bars.addPeers({ silent: PEERS, slow: PEERS });
    const bounds = { 'move-in': MOVE_IN_BESIDE_MANY_MS };
    expect(await beside(`${PEERS} silent and ${PEERS} slow peers`, bounds)).toEqual([]);
  }, 600_000);
});
