import { randomBytes } from 'node:crypto';
import { MediaStore } from '../../apps/homeserver/src/media/media.store.js';
import { download, upload } from '../network/media.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { isCaughtUp } from './talk.js';

// What an account uploads, at its other homes (docs/protocol.md §4 and §4b).
let net: Network;
let a: TestServer;
let b: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'], config: { mediaQuotaBytes: 100_000 } });
  [a, b] = net.servers as [TestServer, TestServer];
}, 60_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all([a, b].map((server) => server.start())));

it('counts for the quota at each home, also what was there before the home', async () => {
  const alice = await Person.named('counted', a);
  await upload(alice.at(a), randomBytes(50_000));
  await alice.addHome(b, { through: a });
  await upload(alice.at(a), randomBytes(30_000));
  await isCaughtUp(alice, a, b);
  await eventually(async () => (await b.get(MediaStore).usage(alice.userId)) === 80_000);
  await alice.at(b).expectError(403, 'M_FORBIDDEN', 'POST', '/_matrix/media/v3/upload', randomBytes(30_000));
  const file = await upload(alice.at(b), randomBytes(10_000));
  expect((await download(alice.at(a), file)).status).toBe(200);
}, 60_000);
