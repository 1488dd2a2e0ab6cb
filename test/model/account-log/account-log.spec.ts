import { describe as inWords, playSeed } from './account-log-model.js';

const runs = Number(process.env['MODEL_RUNS'] ?? 2_000);
const from = Number(process.env['MODEL_SEED'] ?? 1);

// Promises P2 and P4 over the pure core: honest homes end equal, whoever lies, was restored or has the wrong time, and nothing that
// an honest home acknowledged is missing. `npm run model:log` plays 100,000 histories; MODEL_SEED is the first one.
it(`homes that are honest end equal and lack nothing, in ${runs} histories from ${from}`, () => {
  for (let seed = from; seed < from + runs; seed++) {
    const failure = playSeed(seed);
    if (failure) throw new Error(inWords(failure));
  }
}, runs * 60 + 30_000);
