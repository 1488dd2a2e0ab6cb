import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, type Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { RoutedPerson } from './routed-person.js';
import { first, slide, texts } from '../integration/sliding-talk.js';
import { say } from '../integration/sync-talk.js';
import { twoHomes } from './two-homes.js';

let net: Network;
let a: TestServer;
let b: TestServer;
let alice: Person;
let bob: TestClient;
let roomId: string;
let quiet: string;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b] = net.servers as [TestServer, TestServer];
  bob = await net.client('c').register('bob');
  alice = await twoHomes('alice', a, b);
  [roomId, quiet] = [await room(), await room()];
});
afterAll(() => net.stop());

const reads = (server: TestServer, id: string, text: string) => eventually(async () => {
  const { chunk } = await alice.at(server).request('GET', `/v3/rooms/${encodeURIComponent(id)}/messages`, undefined, { query: { dir: 'b', limit: 30 } });
  return chunk.some((event: Json) => event.content.body === text);
}, 20_000);

/** A room of Alice and Bob that both homes have. */
async function room(): Promise<string> {
  const made = (await bob.request('POST', '/v3/createRoom', { preset: 'public_chat', room_version: 'io.partyline.1' })).room_id;
  await alice.at(a).request('POST', `/v3/join/${encodeURIComponent(made)}`, {}, { query: { via: bob.server.name } });
  await eventually(async () => (await alice.at(b).request('GET', '/v3/joined_rooms')).joined_rooms.includes(made), 20_000);
  await say(bob, made, 'first');
  for (const server of [a, b]) await reads(server, made, 'first');
  return made;
}

it('goes on at another home where the client is, and nowhere twice', async () => {
  const body = first(5, { timeline_limit: 5 });
  const atA = await slide(alice.at(a), body, { 'io.partyline.frontier': true });
  const frontier: Json = atA['io.partyline.frontier'];
  expect(Object.keys(frontier).toSorted()).toEqual([roomId, quiet].toSorted());
  await say(bob, roomId, 'second');
  await reads(b, roomId, 'second');
  const { since } = await alice.at(b).request('POST', `${homesPath}/sync/resume`, { rooms: frontier, account: atA['io.partyline.account'] });
  const atB = await slide(alice.at(b), body, { pos: since, 'io.partyline.frontier': true });
  expect(Object.keys(atB.rooms)).toEqual([roomId]);
  expect(texts(atB.rooms[roomId])).toEqual(['second']);
  expect(atB.rooms[roomId]).not.toHaveProperty('initial');
  expect((await slide(alice.at(b), body, { pos: atB.pos })).rooms).toEqual({});
  // A position of one home is none of the other's.
  await alice.at(a).expectError(400, 'M_UNKNOWN_POS', 'POST', '/unstable/org.matrix.simplified_msc3575/sync', body, { query: { pos: atB.pos } });
});

it('goes on through libs/routing when the home is killed that a client waits at', async () => {
  const phone = await RoutedPerson.enter(alice, [a, b], 'PHONE');
  const body = { ...first(5, { timeline_limit: 20, required_state: [['m.room.topic', '']] }), conn_id: 'rooms', extensions: { to_device: { enabled: true }, account_data: { enabled: true } } };
  const ask = (pos?: string, since?: string, timeout = 0): Promise<Json> => phone.request(
    'POST', `unstable/org.matrix.simplified_msc3575/sync?${new URLSearchParams({ timeout: String(timeout), ...(pos !== undefined && { pos }) }).toString()}`,
    { ...body, extensions: { ...body.extensions, to_device: { enabled: true, since } } },
  );
  const send = (n: number) => bob.request('PUT', `/v3/sendToDevice/a.type/${bob.nextTxn()}`, { messages: { [alice.userId]: { PHONE: { n } } } });
  const numbers = (answer: Json): number[] => answer.extensions.to_device.events.map((event: Json) => event.content.n);
  const one = await ask();
  expect(Object.keys(one).filter((name) => name.startsWith('io.partyline'))).toEqual([]);
  expect(one.rooms[roomId].initial).toBe(true);
  await send(1);
  let two = one;
  const got: number[] = [];
  await eventually(async () => {
    two = await ask(two.pos, two.extensions.to_device.next_batch);
    got.push(...numbers(two));
    return got.length > 0;
  }, 20_000);
  expect(got).toEqual([1]);
  const waiting = ask(two.pos, two.extensions.to_device.next_batch, 60_000);
  await a.crash();
  await say(bob, roomId, 'over there');
  let three = await waiting;
  const seen: string[] = [];
  const note = (answer: Json): void => {
    seen.push(...texts(answer.rooms[roomId]));
    got.push(...numbers(answer));
    // What the first home had told does not come again, nor does the room in which nothing happened.
    expect(answer.rooms[roomId]?.initial).toBeUndefined();
    expect(answer.rooms[quiet]).toBeUndefined();
  };
  note(three);
  const next = async (): Promise<void> => note((three = await ask(three.pos, three.extensions.to_device.next_batch, 30_000)));
  while (seen.length === 0) await next();
  expect(seen).toEqual(['over there']);
  await send(2);
  while (!got.includes(2)) await next();
  expect(got).toEqual([1, 2]);
  phone.leave();
  await a.start();
});
