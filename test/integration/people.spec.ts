import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
let far: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob, far] = await Promise.all([net.client('a').register('alice'), net.client('a').register('bob'), net.client('b').register('far')]);
});
afterAll(() => net.stop());

const search = (client: TestClient, term: string, limit?: number): Promise<Json> => client.request('POST', '/v3/user_directory/search', { search_term: term, limit });
const ids = ({ results }: Json): string[] => results.map((one: Json) => one.user_id);
const create = async (client: TestClient, body: Json = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
const rename = (client: TestClient, displayname: string) => client.request('PUT', `/v3/profile/${encodeURIComponent(client.userId)}/displayname`, { displayname });

describe('people', () => {
  it('are found by those who share a room, by name and user id', async () => {
    await rename(bob, 'Robert Über');
    expect(await search(alice, 'robert')).toEqual({ results: [], limited: false });
    const roomId = await create(bob, { invite: [alice.userId] });
    // Whoever is invited only shares nothing yet.
    expect(ids(await search(alice, 'robert'))).toEqual([]);
    await alice.request('POST', `${roomPath(roomId)}/join`, {});
    await eventually(async () => ids(await search(alice, 'ROB')).includes(bob.userId));
    for (const term of ['über', 'bob', bob.userId, 'über rob']) expect(ids(await search(alice, term))).toEqual([bob.userId]);
    for (const term of ['%', '_ob', 'rob nobody', '', '  ', 'alice']) expect(ids(await search(alice, term))).toEqual([]);
    expect((await search(alice, 'bob')).results[0]).toEqual({ user_id: bob.userId, display_name: 'Robert Über' });
  });

  it('in rooms that are open to all are found by everybody', async () => {
    const carol = await net.client('a').register('carol');
    const dave = await net.client('a').register('dave');
    const roomId = await create(carol, { preset: 'public_chat' });
    await eventually(async () => ids(await search(dave, 'carol')).includes(carol.userId));
    // Herself, too, where others find her.
    expect(ids(await search(carol, 'carol'))).toEqual([carol.userId]);
    await carol.request('PUT', `${roomPath(roomId)}/state/m.room.join_rules/`, { join_rule: 'invite' });
    expect([ids(await search(dave, 'carol')), ids(await search(carol, 'carol'))]).toEqual([[], []]);
    await carol.request('PUT', `${roomPath(roomId)}/state/m.room.history_visibility/`, { history_visibility: 'world_readable' });
    expect(ids(await search(dave, 'carol'))).toEqual([carol.userId]);
    await carol.request('POST', `${roomPath(roomId)}/leave`, {});
    expect(ids(await search(dave, 'carol'))).toEqual([]);
  });

  it('are shown by their profile, not by what they call themselves in a room', async () => {
    const erin = await net.client('a').register('erin');
    await create(erin, { preset: 'public_chat' });
    const secret = await create(erin, { preset: 'private_chat' });
    await erin.request('PUT', `${roomPath(secret)}/state/m.room.member/${encodeURIComponent(erin.userId)}`, { membership: 'join', displayname: 'Agent Nine' });
    await rename(erin, 'Erin Everyday');
    await eventually(async () => (await search(alice, 'erin')).results[0]?.display_name === 'Erin Everyday');
    expect(ids(await search(alice, 'agent nine'))).toEqual([]);
  });

  it('of other servers are found, by the name of the room that is shared', async () => {
    await rename(far, 'Farah');
    const shared = await create(alice, { preset: 'public_chat' });
    await far.request('POST', `/v3/join/${encodeURIComponent(shared)}`, {}, { query: { server_name: net.server('a').name } });
    await eventually(async () => (await search(alice, 'farah')).results[0]?.user_id === far.userId);
    // Who was there before the server came in, too.
    await eventually(async () => ids(await search(far, 'alice')).includes(alice.userId));
    const secret = await create(bob, { invite: [far.userId] });
    await far.request('POST', `/v3/join/${encodeURIComponent(secret)}`, {}, { query: { server_name: net.server('a').name } });
    await far.request('PUT', `${roomPath(secret)}/state/m.room.member/${encodeURIComponent(far.userId)}`, { membership: 'join', displayname: 'Agent Ten' });
    const zoe = await net.client('a').register('zoe');
    await eventually(async () => ids(await search(zoe, 'ten')).length === 0 && ids(await search(bob, far.userId)).length === 1);
  });

  it('that somebody ignores he does not find, and of many he is shown as many as he asks for', async () => {
    const ira = await net.client('a').register('ira');
    for (const name of ['many1', 'many2', 'many3']) await create(await net.client('a').register(name), { preset: 'public_chat' });
    await eventually(async () => ids(await search(ira, 'many')).length === 3);
    expect(await search(ira, 'many', 2)).toMatchObject({ results: [{}, {}], limited: true });
    await ira.request('PUT', `/v3/user/${encodeURIComponent(ira.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [ids(await search(ira, 'many1'))[0]!]: {} } });
    expect(ids(await search(ira, 'many'))).toHaveLength(2);
    await ira.expectError(400, 'M_BAD_JSON', 'POST', '/v3/user_directory/search', { search_term: 7 });
  });

  it('that were seen before the process ended are found after it', async () => {
    const gina = await net.client('a').register('gina');
    await create(gina, { preset: 'public_chat' });
    await net.server('a').crash();
    await net.server('a').start();
    await eventually(async () => ids(await search(alice, 'gina')).includes(gina.userId));
  });
});

it('mutual rooms are those in which both are', async () => {
  const [x, y] = [await net.client('a').register('x'), await net.client('a').register('y')];
  const both = await create(x, { preset: 'public_chat' });
  await create(x, { preset: 'public_chat', invite: [y.userId] });
  await y.request('POST', `${roomPath(both)}/join`, {});
  const mutual = (userId: string) => x.raw('GET', '/v1/mutual_rooms', undefined, { query: { user_id: userId } });
  expect((await mutual(y.userId)).body).toEqual({ joined: [both], count: 1 });
  expect((await mutual('@nobody:example.org')).body).toEqual({ joined: [], count: 0 });
  for (const wrong of [x.userId, 'nobody']) expect((await mutual(wrong)).body.errcode).toBe('M_INVALID_PARAM');
});
