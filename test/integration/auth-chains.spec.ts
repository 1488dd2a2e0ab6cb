import { EventsStore } from '../../apps/homeserver/src/rooms/timeline/events.store.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';

/** More than one query reads ahead. */
const RENAMES = 1_200;

let net: Network;
let alice: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a'] });
  alice = await net.client('a').register('alice');
});
afterAll(() => net?.stop());

const authIds = statement('test.auth_ids', 'SELECT event_id, json FROM events e JOIN rooms r USING (room_nid) WHERE r.room_id = $1');

describe.each(['1', '11', 'io.partyline.1'])('an auth chain of version %s', (version) => {
  it('is read whole, whatever events hold, by few questions however deep it is', async () => {
    const db = net.server('a').get(Database);
    const { room_id: roomId } = await alice.request('POST', '/v3/createRoom', { room_version: version });
    const path = `/v3/rooms/${encodeURIComponent(roomId)}`;
    const odd = ['\u0000', '"auth_events":["$nothing"],"', '\\"auth_events\\":[\\"$nothing\\"],\\"', '],"', '\uFFFF'];
    const renamed: Promise<unknown>[] = [];
    for (let i = 0; i < RENAMES; i++) {
      const content = { membership: 'join', displayname: `${i} ${odd[i % odd.length]}` };
      renamed.push(alice.request('PUT', `${path}/state/m.room.member/${encodeURIComponent(alice.userId)}`, content));
      if (renamed.length % 50 === 0) await Promise.all(renamed);
    }
    await Promise.all(renamed);

    const stored = new Map((await db.query<{ event_id: string; json: string }>(authIds, [roomId])).map((row) => [row.event_id, JSON.parse(row.json) as Json]));
    const newest = (await alice.request('GET', `${path}/messages`, undefined, { query: { dir: 'b', limit: '1' } })).chunk[0].event_id;
    const expected = new Set<string>();
    const open: string[] = [newest];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (expected.has(id)) continue;
      expected.add(id);
      open.push(...stored.get(id)!.auth_events.map((cited: string | [string]) => (typeof cited === 'string' ? cited : cited[0])));
    }
    expect(expected.size).toBeGreaterThan(version === 'io.partyline.1' ? 4 : RENAMES);

    let questions = 0;
    const counting = { query: (...args: Parameters<Database['query']>) => (questions++, db.query(...args)) } as Database;
    const event = (await new EventsStore(db).byId(roomId, newest))!.event;
    const chain = await new EventsStore(counting).authChain(roomId, [event]);
    expect(new Set(chain.keys())).toEqual(expected);
    expect(questions).toBeLessThanOrEqual(5);
  });
});
