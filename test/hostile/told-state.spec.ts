import type { Json, TestClient } from '../network/test-client.js';
import { wire } from './hostile-server.js';
import { HostileWorld, path } from './hostile-world.js';

let world: HostileWorld;
let carol: TestClient;
beforeAll(async () => {
  world = await HostileWorld.start();
  carol = await world.net.client('a').register('carol');
});
afterAll(() => world?.stop());

const MEMBER = 'm.room.member\0';
const JOIN_RULES = 'm.room.join_rules\0';
/** More events than are fetched one by one. */
const RENAMES = 30;

/** Event ids of a room's state by state key. */
async function stateIds(roomId: string): Promise<Map<string, string>> {
  const events: Json[] = await carol.request('GET', `${path(roomId)}/state`);
  return new Map(events.map((event) => [`${event.type}\0${event.state_key}`, event.event_id]));
}

// State resolution from an empty set (MSC4297): with the unconflicted state, where the creator has left, no join rule would hold.
it.each(['10', '12'])('events behind a gap, told with an old join rule, are taken in version %s, and the new rule stays', async (version) => {
  const { alice, hostile, a } = world;
  const { roomId, bad } = await world.sharedRoom(version);
  await carol.request('POST', `${path(roomId)}/join`, {});
  const oldRule = (await stateIds(roomId)).get(JOIN_RULES)!;
  await alice.request('PUT', `${path(roomId)}/state/m.room.join_rules`, { join_rule: 'invite' });
  if (version === '12') await alice.request('POST', `${path(roomId)}/leave`, {});
  for (const [key, id] of await stateIds(roomId)) bad.state.set(key, id);
  const template = (await hostile.request(a, 'GET', `/_matrix/federation/v1/make_leave/${encodeURIComponent(roomId)}/${encodeURIComponent(bad.userId)}`)).event;
  bad.latest = template.prev_events;
  bad.depth = template.depth;

  const renames = Array.from({ length: RENAMES }, (_, i) => bad.follow(bad.member(bad.userId, 'join', { content: { displayname: `${i}` } })));
  const [second, last] = [renames.at(-2)!, renames.at(-1)!];
  const before = renames.slice(0, -2);
  const told = new Map([...bad.state, [JOIN_RULES, oldRule], [`${MEMBER}${bad.userId}`, before.at(-1)!.eventId]]);
  hostile.on(/get_missing_events/, (_path, body) => ({ events: body.latest_events[0] === last.eventId ? [wire(second)] : [] }));
  hostile.on(/\/state_ids\//, () => ({ pdu_ids: [...told.values()], auth_chain_ids: before.map((event) => event.eventId) }));
  hostile.on(/\/state\//, () => ({ pdus: before.map(wire), auth_chain: [] }));
  expect(await hostile.send(a, [wire(last)])).toEqual({ [last.eventId]: {} });
  expect((await world.state(carol, roomId, 'm.room.member', bad.userId)).displayname).toBe(`${RENAMES - 1}`);
  expect((await world.state(carol, roomId, 'm.room.join_rules')).join_rule).toBe('invite');
});
