import { authStateKeys, buildEvent, type EventDraft, type HomeRecord, type JsonObject, type RoomEvent, roomVersion, stateKeyOf } from '#federation';
import { HomeIdentities } from '../../apps/homeserver/src/accounts/identity/home-identities.js';
import { FederationClient, federationPath } from '../../apps/homeserver/src/federation/federation-client.js';
import { RoomRegistry } from '../../apps/homeserver/src/rooms/room-registry.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state, texts } from './talk.js';

const RULES = roomVersion('io.partyline.1')!;

let network: LinkedNetwork;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let count = 0;

beforeAll(async () => {
  network = await LinkedNetwork.start(['a', 'b', 'c']);
  [a, b, c] = network.servers as [TestServer, TestServer, TestServer];
});
afterAll(() => network.stop());
afterEach(() => heal());

const heal = () => {
  for (const [one, other] of [[a, b], [a, c], [b, c]] as const) network.cut(one, other, 'open');
};
const topicAt = async (client: TestClient, roomId: string): Promise<string> => (await state(client, roomId, 'm.room.topic')).topic;
const setTopic = (client: TestClient, roomId: string, topic: string): Promise<Json> => client.request('PUT', `${roomPath(roomId)}/state/m.room.topic/`, { topic });

interface Scene {
  readonly alice: Person;
  /** At B, so that B holds the room whether it is a home of Alice or not. */
  readonly carol: TestClient;
  /** At C. */
  readonly bob: TestClient;
  readonly roomId: string;
}

/** Alice at A and B, with power; what she set at B before stands. */
async function scene(): Promise<Scene> {
  const alice = await Person.named(`alice${++count}`, a);
  const [carol, bob] = [await network.net.client(b).register(`carol${count}`), await network.net.client(c).register(`bob${count}`)];
  const roomId = await createRoom(alice.at(a));
  for (const client of [carol, bob]) await join(client, roomId, a);
  await isIn(await alice.addHome(b), roomId);
  await setTopic(alice.at(b), roomId, 'by b, before');
  for (const client of [alice.at(a), carol, bob]) await settles(async () => expect(await topicAt(client, roomId)).toBe('by b, before'));
  await say(bob, roomId, 'before');
  for (const client of [alice.at(a), carol]) await reads(client, roomId, 'before');
  return { alice, carol, bob, roomId };
}

/** All three hold the same state, without what the revoked home did. */
async function expectAgreement({ alice, carol, bob, roomId }: Scene): Promise<void> {
  await say(alice.at(a), roomId, 'after, by a');
  await say(carol, roomId, 'after, by carol');
  for (const client of [alice.at(a), carol, bob]) {
    await reads(client, roomId, 'after, by a', 'after, by carol');
    await settles(async () => {
      expect(await topicAt(client, roomId)).toBe('by b, before');
      expect((await state(client, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record);
      expect((await state(client, roomId, 'm.room.member', carol.userId)).membership).toBe('join');
    });
  }
}

describe('a home that is revoked while it changes the state', () => {
  it('loses where the others hear of the revocation first', async () => {
    const here = await scene();
    const { alice, bob, roomId } = here;
    const thief = alice.at(b);
    network.cut(a, b);
    network.cut(c, b);
    await alice.publish(alice.next({ revoke: [b.name] }), a);
    await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record));
    // B has not heard of it.
    await setTopic(thief, roomId, 'stolen');
    await say(thief, roomId, 'stolen words');
    heal();
    await expectAgreement(here);
    for (const client of [alice.at(a), bob]) expect(await texts(client, roomId)).not.toContain('stolen words');
  });

  it('loses where the others have taken its change before they hear of the revocation', async () => {
    const here = await scene();
    const { alice, bob, roomId } = here;
    network.cut(a, b);
    network.cut(a, c);
    await setTopic(alice.at(b), roomId, 'stolen');
    await settles(async () => expect(await topicAt(bob, roomId)).toBe('stolen'));
    // A has not heard of it.
    await alice.publish(alice.next({ revoke: [b.name] }), a);
    expect(await topicAt(alice.at(a), roomId)).toBe('by b, before');
    heal();
    await expectAgreement(here);
  });

  it('is let go by itself, and cannot act any more', async () => {
    const { alice, carol, bob, roomId } = await scene();
    const thief = alice.at(b);
    await alice.publish(alice.next({ revoke: [b.name] }), a);
    await settles(async () => expect((await thief.raw('GET', '/v3/account/whoami')).status).toBe(401));
    await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record));
    await say(alice.at(a), roomId, 'without b');
    for (const client of [carol, bob]) await reads(client, roomId, 'without b');
  });
});

describe('an old record', () => {
  /** An event of Alice's made by B with the home key of an old record, at the room's end as C sees it. */
  async function forged(here: Scene, signer: Json, draft: Partial<EventDraft> & { type: string; content: JsonObject }): Promise<RoomEvent> {
    const { bob, alice, roomId } = here;
    const events: Json[] = await bob.request('GET', `${roomPath(roomId)}/state`);
    const byKey = new Map(events.map((event) => [stateKeyOf(event.type, event.state_key), event.event_id as string]));
    const ends = (await c.get(RoomRegistry).find(roomId))!.extremities;
    const whole: EventDraft = {
      sender: alice.userId, room_id: roomId, origin_server_ts: Date.now(), home: b.name, auth_events: [],
      depth: Math.max(...ends.map((end) => end.depth)) + 1, prev_events: ends.map((end) => end.eventId), ...draft,
    };
    const auth = authStateKeys(whole, RULES).flatMap(([type, key]) => byKey.get(stateKeyOf(type, key)) ?? []);
    return buildEvent({ ...whole, auth_events: auth }, RULES, signer);
  }

  async function expectRefused(event: RoomEvent, ...servers: TestServer[]): Promise<void> {
    for (const destination of servers) {
      const results: Json = await b.get(FederationClient).request({
        destination: destination.name, method: 'PUT', path: federationPath`/_matrix/federation/v1/send/${event.eventId.slice(1)}`,
        body: { origin: b.name, origin_server_ts: Date.now(), pdus: [JSON.parse(event.json)], edus: [] },
      });
      expect(results.pdus[event.eventId].error).toEqual(expect.any(String));
    }
  }

  it('does not let a revoked home back in after the account has left, nor after its return', async () => {
    const here = await scene();
    const { alice, bob, roomId } = here;
    const old = alice.record;
    const { key } = await b.get(HomeIdentities).signer(alice.userId);
    const signer = { name: b.name, key };
    await alice.publish(alice.next({ revoke: [b.name] }), a);
    const recordAt = async (client: TestClient): Promise<HomeRecord> => (await state(client, roomId, 'm.room.member', alice.userId)).home_record;
    await settles(async () => expect(await recordAt(bob)).toEqual(alice.record));
    // Nobody has more power than a creator, so Alice has to leave by herself; Dave below is kicked.
    await alice.at(a).request('POST', `${roomPath(roomId)}/leave`, {});
    await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).membership).toBe('leave'));
    const rejoin = () => forged(here, signer, {
      type: 'm.room.member', state_key: alice.userId, content: { membership: 'join', home_record: old as unknown as JsonObject },
    });
    await expectRefused(await rejoin(), c);
    await join(alice.at(a), roomId, c);
    await settles(async () => expect(await recordAt(bob)).toEqual(alice.record));
    await expectRefused(await rejoin(), a, c);
    await expectRefused(await forged(here, signer, { type: 'm.room.message', content: { body: 'I am back', msgtype: 'm.text' } }), a, c);
    for (const client of [alice.at(a), bob]) expect(await recordAt(client)).toEqual(alice.record);
    expect(await texts(bob, roomId)).not.toContain('I am back');
  });

  it('does not come back with a member who was kicked and returns', async () => {
    const dave = await Person.named(`dave${++count}`, a);
    const bob = await network.net.client(c).register(`bob${count}`);
    const roomId = await createRoom(bob);
    await join(dave.at(a), roomId, c);
    await isIn(await dave.addHome(b, { through: a }), roomId);
    const old = dave.record;
    const { key } = await b.get(HomeIdentities).signer(dave.userId);
    await dave.publish(dave.next({ revoke: [b.name] }), a);
    const memberAt = (client: TestClient): Promise<Json> => state(client, roomId, 'm.room.member', dave.userId);
    await settles(async () => expect((await memberAt(bob)).home_record).toEqual(dave.record));
    await bob.request('POST', `${roomPath(roomId)}/kick`, { user_id: dave.userId });
    // Who kicks carries the record along.
    expect(await memberAt(bob)).toMatchObject({ membership: 'leave', home_record: { seq: dave.record.seq } });
    const here: Scene = { alice: dave, carol: bob, bob, roomId };
    const rejoin = () => forged(here, { name: b.name, key }, {
      type: 'm.room.member', state_key: dave.userId, content: { membership: 'join', home_record: old as unknown as JsonObject },
    });
    await expectRefused(await rejoin(), c);
    await join(dave.at(a), roomId, c);
    await expectRefused(await rejoin(), a, c);
    expect(await memberAt(bob)).toMatchObject({ membership: 'join', home_record: { seq: dave.record.seq } });
  });
});
