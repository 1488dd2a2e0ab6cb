import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob] = await Promise.all([net.client('a').register('alice'), net.client('b').register('bob')]);
});
afterAll(() => net.stop());

const create = async (body: Json): Promise<string> => (await alice.request('POST', '/v3/createRoom', { visibility: 'public', ...body })).room_id;
const search = (body: Json, client = alice, query = {}) => client.request('POST', '/v3/publicRooms', body, { query });
const names = ({ chunk }: Json): string[] => chunk.map((room: Json) => room.name);
const listed = (roomId: string) => `/v3/directory/list/room/${encodeURIComponent(roomId)}`;

describe('the list of public rooms', () => {
  let garden: string;
  beforeAll(async () => {
    garden = await create({ name: 'Garden', topic: 'Äpfel', room_alias_name: 'garden' });
    await create({ name: 'Homes', creation_content: { type: 'm.space' } });
    await create({ name: 'Quiet', visibility: 'private', preset: 'public_chat' });
  });

  it('shows what is listed, to everybody, the largest first', async () => {
    await bob.request('POST', `/v3/join/${encodeURIComponent(`#garden:${alice.server.config.serverName}`)}`, {});
    const find = async () => {
      const answer = await alice.raw('GET', '/v3/publicRooms', undefined, { anonymous: true });
      return answer.body.chunk.find((room: Json) => room.room_id === garden && room.num_joined_members === 2) && answer.body;
    };
    const { chunk, total_room_count_estimate: total } = await eventually(find);
    expect(chunk[0]).toMatchObject({
      room_id: garden, name: 'Garden', topic: 'Äpfel', canonical_alias: `#garden:${alice.server.config.serverName}`,
      world_readable: false, guest_can_join: false, join_rule: 'public',
    });
    expect([names({ chunk }), total]).toEqual([['Garden', 'Homes'], 2]);
  });

  it('finds rooms by name, topic and address, and by type', async () => {
    for (const term of ['GARD', 'äpfel', '#garden:']) expect(names(await search({ filter: { generic_search_term: term } }))).toEqual(['Garden']);
    for (const term of ['%', '_', '\\']) expect(names(await search({ filter: { generic_search_term: term } }))).toEqual([]);
    expect(names(await search({ filter: { room_types: ['m.space'] } }))).toEqual(['Homes']);
    expect(names(await search({ filter: { room_types: [null] } }))).toEqual(['Garden']);
    expect(names(await search({ filter: { room_types: [null, 'm.space'] } }))).toEqual(['Garden', 'Homes']);
    expect(await search({ filter: { room_types: [] } })).toEqual({ chunk: [], total_room_count_estimate: 0 });
    expect(await search({ third_party_instance_id: 'irc' })).toEqual({ chunk: [], total_room_count_estimate: 0 });
  });

  it('follows the rooms, over an end of the process too', async () => {
    await alice.request('PUT', `${roomPath(garden)}/state/m.room.name/`, { name: 'Orchard' });
    await net.server('a').crash();
    await net.server('a').start();
    await eventually(async () => names(await search({})).includes('Orchard'));
    expect(names(await search({ filter: { generic_search_term: 'garden' } }))).toEqual(['Orchard']); // its address
    await alice.request('PUT', `${roomPath(garden)}/state/m.room.join_rules/`, { join_rule: 'knock' });
    await eventually(async () => (await search({})).chunk[0].join_rule === 'knock');
    await alice.request('PUT', `${roomPath(garden)}/state/m.room.join_rules/`, { join_rule: 'public' });
  });

  it('is of those who may change the address of the room', async () => {
    expect(await bob.request('GET', listed(garden))).toEqual({ visibility: 'private' });
    const path = listed(garden);
    const carol = await net.client('a').register('carol');
    await carol.expectError(403, 'M_FORBIDDEN', 'PUT', path, { visibility: 'private' });
    await carol.request('POST', `${roomPath(garden)}/join`, {});
    await carol.expectError(403, 'M_FORBIDDEN', 'PUT', path, { visibility: 'private' });
    const admin = await net.administrator('a');
    await admin.request('PUT', path, { visibility: 'private' });
    expect(await alice.request('GET', path)).toEqual({ visibility: 'private' });
    expect(names(await search({}))).not.toContain('Orchard');
    await alice.request('PUT', path, {});
    expect(await alice.request('GET', path)).toEqual({ visibility: 'public' });
    await alice.expectError(404, 'M_NOT_FOUND', 'PUT', listed('!none:example.org'), {});
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', listed('!none:example.org'));
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', path, { visibility: 'hidden' });
  });

  it('of another server is shown to those who have an account', async () => {
    const query = { server: alice.server.config.serverName };
    expect(names(await bob.request('GET', '/v3/publicRooms', undefined, { query }))).toEqual(names(await search({})));
    expect(names(await search({ filter: { generic_search_term: 'homes' } }, bob, query))).toEqual(['Homes']);
    await bob.expectError(401, 'M_MISSING_TOKEN', 'GET', '/v3/publicRooms', undefined, { query, anonymous: true });
    await bob.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/publicRooms', undefined, { query: { server: 'not a name' } });
    await bob.expectError(502, 'M_UNKNOWN', 'GET', '/v3/publicRooms', undefined, { query: { server: 'localhost:1' } });
  });

  it('forgets rooms that nobody here is in any more', async () => {
    const left = await create({ name: 'Left' });
    await alice.request('POST', `${roomPath(left)}/leave`, {});
    await eventually(async () => !names(await search({})).includes('Left'));
  });
});

it('is read page by page, in both directions', async () => {
  for (let n = 0; n < 5; n++) await create({ name: `page ${n}` });
  const all = names(await search({ filter: { generic_search_term: 'page' } }));
  expect(all).toHaveLength(5);
  const page = (since?: string) => search({ limit: 2, filter: { generic_search_term: 'page' }, ...(since ? { since } : {}) });
  const first = await page();
  expect(first.prev_batch).toBeUndefined();
  const second = await page(first.next_batch);
  const third = await page(second.next_batch);
  expect([first, second, third].flatMap(names)).toEqual(all);
  expect(third).toMatchObject({ total_room_count_estimate: 5 });
  expect(third.next_batch).toBeUndefined();
  expect(names(await page(third.prev_batch))).toEqual(names(second));
  const back = await page(second.prev_batch);
  expect([names(back), back.prev_batch]).toEqual([names(first), undefined]);
  await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v3/publicRooms', { since: 'elsewhere' });
});
