import { FederationClient, federationPath } from '../../apps/homeserver/src/federation/federation-client.js';
import type { TestServer } from '../network/test-server.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import { LinkedNetwork } from './linked-network.js';
import { RoutedPerson } from './routed-person.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state, texts } from './talk.js';

const MINUTE_MS = 60_000;

let network: LinkedNetwork;
let a: TestServer;
let b: TestServer;
let c: TestServer;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
});
afterAll(() => network.stop());
afterEach(() => {
  for (const [one, other] of [[a, b], [a, c], [b, c]] as const) network.cut(one, other, 'open');
});

let count = 0;

/** A person at A and B in a room with somebody at C. */
async function talking(): Promise<{ alice: Person; bob: TestClient; roomId: string }> {
  const alice = await Person.named(`alice${++count}`, a);
  const bob = await network.net.client(c).register(`bob${count}`);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  await alice.addHome(b);
  for (const server of [a, b]) await isIn(await alice.login(server), roomId);
  await say(alice.at(a), roomId, 'before');
  for (const client of [alice.at(b), bob]) await reads(client, roomId, 'before');
  return { alice, bob, roomId };
}

const reachAt = (client: TestClient, roomId: string): Promise<Json> => client.request('GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`);

describe('a server that does not talk to one of the homes', () => {
  it('hears the person through the other one, which the client finds', async () => {
    const { alice, bob, roomId } = await talking();
    const phone = await RoutedPerson.enter(alice, [a, b], 'PHONE');
    try {
      await phone.sync();
      network.cut(a, c);
      // B is cut off from A, too, so that it cannot pass on what A has.
      network.cut(a, b);
      await say(alice.at(a), roomId, 'at a, in vain');
      await say(bob, roomId, 'hello?');
      await reads(alice.at(b), roomId, 'hello?');
      await settles(async () => expect((await reachAt(alice.at(a), roomId)).replicas[c.name].last_contact_ts).toBeNull());
      expect((await reachAt(alice.at(b), roomId)).replicas[c.name].last_contact_ts).toEqual(expect.any(Number));
      expect((await phone.router.checkRoom(roomId)).home).toBe(b.name);
      const path = `v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/x1`;
      await phone.request('PUT', path, { body: 'through b', msgtype: 'm.text' });
      await reads(bob, roomId, 'through b');
      expect(await texts(bob, roomId)).not.toContain('at a, in vain');
    } finally {
      phone.leave();
    }
    // Nothing is lost and nothing doubled when they talk again.
    for (const [one, other] of [[a, b], [a, c]] as const) network.cut(one, other, 'open');
    await say(alice.at(b), roomId, 'after');
    for (const client of [bob, alice.at(a), alice.at(b)]) {
      await reads(client, roomId, 'after', 'at a, in vain', 'through b', 'hello?');
      const all = await texts(client, roomId);
      expect(all).toHaveLength(new Set(all).size);
    }
  });
});

describe('a room whose rules deny one of the homes', () => {
  it('takes nothing that was made there, whoever brings it, and goes on with the other', async () => {
    const { alice, bob, roomId } = await talking();
    const acl = { allow: ['*'], deny: [a.name], allow_ip_literals: false };
    await alice.at(b).request('PUT', `${roomPath(roomId)}/state/m.room.server_acl/`, acl);
    await settles(async () => expect((await state(bob, roomId, 'm.room.server_acl')).deny).toEqual([a.name]));
    const denied = await say(alice.at(a), roomId, 'denied');
    // B brings it, although no honest server would.
    const asB = b.get(FederationClient);
    const { pdus } = await asB.request<{ pdus: Json[] }>({ destination: a.name, method: 'GET', path: federationPath`/_matrix/federation/v1/event/${denied}` });
    const results: Json = await asB.request({
      destination: c.name, method: 'PUT', path: federationPath`/_matrix/federation/v1/send/${`denied${count}`}`,
      body: { origin: b.name, origin_server_ts: Date.now(), pdus, edus: [] },
    });
    expect(results.pdus[denied].error).toEqual(expect.any(String));
    await say(alice.at(b), roomId, 'allowed');
    await reads(bob, roomId, 'allowed');
    await say(bob, roomId, 'heard');
    await reads(alice.at(b), roomId, 'heard');
    for (const client of [bob, alice.at(b)]) expect(await texts(client, roomId)).not.toContain('denied');
    // Alice herself is still a member, and is not banned.
    expect((await state(bob, roomId, 'm.room.member', alice.userId)).membership).toBe('join');
  });
});

describe('a client that comes to a home where it has missed more than it asks for', () => {
  it('gets a timeline that is whole, with what it has seen elsewhere in its place', async () => {
    const { alice, bob, roomId } = await talking();
    for (const other of [b, c]) network.cut(a, other);
    await say(alice.at(a), roomId, 'seen');
    const frontier = (await alice.at(a).request('GET', '/v3/sync', undefined, { query: { 'io.partyline.frontier': true } }))['io.partyline.frontier'];
    for (const text of ['one', 'two', 'three']) await say(bob, roomId, text);
    await reads(alice.at(b), roomId, 'three');
    network.cut(a, b, 'open');
    await reads(alice.at(b), roomId, 'seen');
    const { since } = await alice.at(b).request('POST', `${homesPath}/sync/resume`, { rooms: frontier, account: {} });
    const shown = async (limit: number): Promise<Json> => {
      const query = { since, filter: JSON.stringify({ room: { timeline: { limit } } }), timeout: 0 };
      const { timeline } = (await alice.at(b).request('GET', '/v3/sync', undefined, { query })).rooms.join[roomId];
      return [timeline.limited, timeline.events.flatMap((event: Json) => event.content.body ?? [])];
    };
    expect(await shown(3)).toEqual([false, ['one', 'two', 'three']]);
    expect(await shown(2)).toEqual([true, ['three', 'seen']]);
  });
});

describe('a home that withholds events', () => {
  it('is named when the copies differ for more than a minute', async () => {
    const { alice, bob, roomId } = await talking();
    const phone = await RoutedPerson.enter(alice, [a, b], 'PHONE');
    try {
      await phone.sync();
      const verdict = async () => (await phone.router.checkRoom(roomId)).copies;
      await settles(async () => expect(await verdict()).toEqual({ kind: 'same' }));
      // As if B threw away what it gets.
      network.link(a, b).set('refused');
      network.link(c, b).set('refused');
      await say(bob, roomId, 'kept from you');
      await reads(alice.at(a), roomId, 'kept from you');
      expect(await verdict()).toEqual({ kind: 'settling' });
      phone.clock.skip(MINUTE_MS + 1_000);
      expect(await verdict()).toEqual({ kind: 'withheld', by: [b.name] });
      network.link(a, b).set('open');
      network.link(c, b).set('open');
      await say(bob, roomId, 'here you are');
      await reads(alice.at(b), roomId, 'kept from you', 'here you are');
      await settles(async () => expect(await verdict()).toEqual({ kind: 'same' }));
    } finally {
      phone.leave();
    }
  });

  it('does not show what a client has seen elsewhere when it comes late', async () => {
    const { alice, bob, roomId } = await talking();
    for (const from of [a, c]) network.link(from, b).set('refused');
    for (const to of [a, c]) network.link(b, to).set('refused');
    await say(bob, roomId, 'seen at a');
    await reads(alice.at(a), roomId, 'seen at a');
    const query = { 'io.partyline.frontier': true, timeout: 0 };
    const atA = await alice.at(a).request('GET', '/v3/sync', undefined, { query });
    const frontier: string[] = atA['io.partyline.frontier'][roomId];
    // B was beside it: something that the client has not seen.
    await say(alice.at(b), roomId, 'said at b');
    const body = { rooms: { [roomId]: [...frontier, ...(await reachAt(alice.at(b), roomId)).frontier] }, account: {} };
    const { since, unknown } = await alice.at(b).request('POST', `${homesPath}/sync/resume`, body);
    expect(unknown).toBe(frontier.length);
    const shown: string[] = [];
    let next: string = since;
    const listen = async (): Promise<void> => {
      const answer = await alice.at(b).request('GET', '/v3/sync', undefined, { query: { since: next, timeout: 100 } });
      next = answer.next_batch;
      shown.push(...(answer.rooms?.join?.[roomId]?.timeline.events ?? []).flatMap((event: Json) => event.content.body ?? []));
    };
    await listen();
    await say(alice.at(b), roomId, 'new at b');
    await listen();
    for (const from of [a, c]) network.link(from, b).set('open');
    for (const to of [a, c]) network.link(b, to).set('open');
    await b.restart();
    // A restart forgets the resolver of the test; what B gets is enough here.
    await say(bob, roomId, 'last');
    await settles(async () => {
      await listen();
      expect(shown).toContain('last');
    });
    await reads(alice.at(b), roomId, 'seen at a');
    await listen();
    expect(shown.toSorted()).toEqual(['last', 'new at b']);
  });
});
