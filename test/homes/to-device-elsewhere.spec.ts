import { AccountDirectory } from '../../apps/homeserver/src/accounts/account-directory.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { settles } from './talk.js';

// Messages to devices of which the home at which they are sent has not heard (protocol §5).
let network: LinkedNetwork;
let a: TestServer; let c: TestServer;
let alice: Person; let carol: TestClient; let phone: TestClient;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'c']);
  [a, c] = network.servers as [TestServer, TestServer];
  alice = await Person.named('alice', a);
  phone = alice.at(a);
  carol = await network.net.client(c).register('carol');
  await c.get(KeyRing).listed(a.name);
}, 60_000);
afterAll(() => network?.stop());

const send = (deviceId: string, text: string): Promise<Json> =>
  carol.request('PUT', `/v3/sendToDevice/org.example.note/${carol.nextTxn()}`, { messages: { [alice.userId]: { [deviceId]: { text } } } });

/** What the client gets from now on, over and over, with repeats. */
function reader(client: TestClient): () => Promise<string[]> {
  const got: string[] = [];
  let since: string | undefined;
  return async () => {
    const answer: Json = await client.request('GET', '/v3/sync', undefined, { query: since === undefined ? {} : { since } });
    since = answer.next_batch;
    got.push(...(answer.to_device?.events ?? []).map((event: Json) => event.content.text));
    return got;
  };
}

it('get there, once: of an account that is moving in, and of a device that has just logged in', async () => {
  // An emergency home: it knows nothing of the account but the record.
  network.cut(a, c);
  const tablet = await alice.addHome(c);
  await send(phone.deviceId, 'to the phone');
  await send('*', 'to all');
  const [atPhone, atTablet] = [reader(phone), reader(tablet)];
  network.cut(a, c, 'open');
  await settles(async () => expect((await atPhone()).toSorted()).toEqual(['to all', 'to the phone']));
  await settles(async () => expect(await atTablet()).toEqual(['to all']));
  // Now each home knows all devices of before; one logs in at A while C does not hear of it.
  network.cut(a, c);
  const laptop = await alice.login(a, 'LAPTOP');
  await send('LAPTOP', 'to the laptop');
  await send('*', 'to all again');
  network.cut(a, c, 'open');
  const atLaptop = reader(laptop);
  await settles(async () => expect((await atLaptop()).toSorted()).toEqual(['to all again', 'to the laptop']));
  await settles(async () => expect((await atPhone()).toSorted()).toEqual(['to all', 'to all again', 'to the phone']));
  await settles(async () => expect(await atTablet()).toEqual(['to all', 'to all again']));
}, 60_000);

it('get there from a home that is dropped before its log got through', async () => {
  await alice.login(a);
  network.link(c, a).set('refused');
  await send(phone.deviceId, 'before the drop');
  // A tells C of it, which forgets the account with its log.
  await alice.publish(alice.next({ drop: [c.name] }), a);
  await settles(() => expect(c.get(AccountDirectory).has(alice.userId)).toBe(false));
  network.link(c, a).set('open');
  const atPhone = reader(phone);
  await settles(async () => expect(await atPhone()).toContain('before the drop'));
}, 60_000);
