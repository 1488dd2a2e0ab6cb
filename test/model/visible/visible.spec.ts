import { Network } from '../../network/network.js';
import { VisibleWorld } from './world.js';

// What is hidden stays hidden, and what is not is shown: random histories of rooms, with clients that sync at any time and in any manner.
// MODEL_SECONDS says for how long, MODEL_SEED where to begin; a failure names its seed and tells the story.
const seconds = Number(process.env['MODEL_SECONDS'] ?? 20);
const from = Number(process.env['MODEL_SEED'] ?? 1);

let net: Network;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
}, 90_000);
afterAll(() => net?.stop());

it(`every client holds exactly what it may see, in histories from ${from} on, for ${seconds} s`, async () => {
  const end = performance.now() + seconds * 1000;
  let seed = from;
  do await new VisibleWorld(net, seed++).play(); while (performance.now() < end);
  process.stderr.write(`${seed - from} histories\n`);
}, seconds * 1000 + 120_000);
