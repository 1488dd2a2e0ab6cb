import { recordWithHome, register, registerOwned, proof, type OwnedAccount } from '../../apps/homeserver/src/demo/account.js';
import { ask } from '../../apps/homeserver/src/demo/ask.js';
import { Person, type ShownMessage } from '../../apps/homeserver/src/demo/person.js';
import { appBaseUrl, routed, takeRecord, type Routed } from '../../apps/homeserver/src/demo/router.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';
import { quietSdk } from './quiet-sdk.js';
import { setUpCrossSigning, trusts, verifyEachOther } from './verify.js';

const recordPath = '/_matrix/client/unstable/io.partyline/account/record';
const WAIT_MS = 20_000;

let net: Network;
let alice: Person;
let bob: Person;
let account: OwnedAccount;
let phone: Routed;
let roomId: string;
const shown = new Map<Person, ShownMessage[]>();
let written = 0;

quietSdk();

const place = (server: TestServer) => ({ serverName: server.name, url: server.url });

/** Alice and Bob write by turns; resolves when both have seen everything so far. */
async function talk(messages: number): Promise<void> {
  for (let i = 0; i < messages; i++) {
    const count = ++written;
    await (i % 2 === 0 ? alice : bob).write(roomId, count, `message ${count}`);
  }
  for (const person of [alice, bob]) {
    await eventually(() => {
      const missing = Array.from({ length: written }, (_, i) => i + 1).filter((count) => !shown.get(person)!.some((message) => message.count === count));
      if (missing.length > 0) throw new Error(`${person.name} has not seen ${missing.join(', ')}; cannot read ${person.unreadable.join(', ')}`);
      return true;
    }, WAIT_MS);
  }
}

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  const [a, b, c] = ['a', 'b', 'c'].map((label) => net.server(label)) as [TestServer, TestServer, TestServer];
  account = await registerOwned(place(a), 'alice', 'PHONE', Date.now());
  phone = await routed(account, place(a), { replicas: 2 });
  const record = await recordWithHome(account, place(b), 10);
  await ask(a.url, { method: 'PUT', path: recordPath, accessToken: account.accessToken, body: { record } });
  account = { ...account, record };
  await takeRecord(phone, record, [place(b)]);
  alice = await Person.enter('alice', account, appBaseUrl, phone.router.fetch);
  bob = await Person.enter('bob', await register(place(c), 'bob', 'LAPTOP'), c.url);
  for (const person of [alice, bob]) {
    shown.set(person, []);
    person.onMessage((message) => shown.get(person)!.push(message));
  }
}, 60_000);
afterAll(async () => {
  for (const person of [alice, bob]) person?.leave();
  phone?.router.close();
  await net?.stop();
});

describe('matrix-js-sdk on an account with two homes', () => {
  it('verifies somebody on a third server and talks encrypted', async () => {
    await Promise.all([alice, bob].map(setUpCrossSigning));
    roomId = await alice.openRoom('Boathouse', bob.userId);
    await bob.join(roomId);
    await Promise.all([alice.seesRoom(roomId, [bob]), bob.seesRoom(roomId, [alice])]);
    await talk(6);
    const emoji = await verifyEachOther(alice, bob, roomId);
    expect(emoji.one).toHaveLength(7);
    expect(emoji.one).toEqual(emoji.other);
    await eventually(async () => (await trusts(alice, bob)) && (await trusts(bob, alice)));
  }, 60_000);

  it('goes on when the home in use dies, and when it comes back', async () => {
    await net.server('a').crash();
    await talk(10);
    await net.server('a').start();
    await talk(4);
  }, 60_000);

  it('goes on at an emergency home when all homes are dead', async () => {
    await Promise.all([net.server('a').crash(), net.server('b').crash()]);
    const c = place(net.server('c'));
    const record = await recordWithHome(account, c, 20);
    const body = { record, rooms: { [roomId]: [c.serverName] }, ...(await proof(c, account.userId, account.key)) };
    await ask(c.url, { method: 'PUT', path: recordPath, body });
    await takeRecord(phone, record, [c]);
    await talk(10);
  }, 60_000);

  it('has shown everything once, in order, and still trusts', async () => {
    for (const person of [alice, bob]) {
      const inTimelineOrder = shown.get(person)!.toSorted((one, other) => one.place - other.place);
      expect(inTimelineOrder).toHaveLength(written);
      for (const author of [alice, bob]) {
        const counts = inTimelineOrder.filter((message) => message.sender === author.userId).map((message) => message.count);
        expect(counts).toEqual(counts.toSorted((one, other) => one - other));
      }
    }
    // A client that asks its home for keys anew trusts nobody until it has the answer.
    await eventually(async () => (await trusts(bob, alice)) && (await trusts(alice, bob)));
  });
});
