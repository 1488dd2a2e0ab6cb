import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import { HostileHome } from './hostile-home.js';
import { HostileServer } from './hostile-server.js';

// One home says that the account has ended (protocol §2, "Deactivation"): an operation, which any home can write.
let net: Network;
let a: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a'] });
  [a] = net.servers as [TestServer];
  evil = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});

it.each(['its own', 'the honest home\'s'])('a lying home cannot end an account for good, under %s name', async (whose) => {
  const person = await Person.named(whose === 'its own' ? 'ended' : 'framed', a);
  const client = person.at(a);
  const path = `/v3/user/${encodeURIComponent(person.userId)}/account_data/org.example.mine`;
  await client.request('PUT', path, { mine: true });
  const home = new HostileHome(evil, person.userId);
  await person.publish(person.next({ add: [home.entry] }), a);
  // The name in an operation is its writer's to choose: the log says whose it is.
  await home.hand(a, [home.op('deactivation', '', { erase: true, epoch: 9 }, { home: whose === 'its own' ? evil.name : a.name })]);
  await eventually(async () => (await client.raw('GET', '/v3/account/whoami')).status === 401);
  await person.publish(person.next({ revoke: [evil.name] }), a);
  const again = await eventually(() => person.login(a, 'AGAIN'));
  expect(await again.request('GET', path)).toEqual({ mine: true });
  const password = await net.client(a).raw('POST', '/v3/login', { type: 'm.login.password', identifier: { type: 'm.id.user', user: person.label }, password: `password of ${person.label}` });
  expect(password.status).toBe(200);
}, 60_000);
