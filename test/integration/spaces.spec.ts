import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
/** Servers of `via`. */
let [a, b] = ['', ''];
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob] = await Promise.all([net.client('a').register('alice'), net.client('b').register('bob')]);
  [a, b] = [alice.server.config.serverName, bob.server.config.serverName];
});
afterAll(() => net.stop());

const create = async (client: TestClient, name: string, body: Json = {}): Promise<string> =>
  (await client.request('POST', '/v3/createRoom', { name, preset: 'public_chat', ...body })).room_id;
const space = (client: TestClient, name: string, body: Json = {}) => create(client, name, { ...body, creation_content: { type: 'm.space' } });
const put = (client: TestClient, parent: string, child: string, content: Json) =>
  client.request('PUT', `${roomPath(parent)}/state/m.space.child/${encodeURIComponent(child)}`, content);
const tree = (client: TestClient, roomId: string, query = {}) => client.request('GET', `/v1/rooms/${encodeURIComponent(roomId)}/hierarchy`, undefined, { query });
const names = ({ rooms }: Json): string[] => rooms.map((room: Json) => room.name);

describe('the tree of a space', () => {
  let top: string;
  let inner: string;
  beforeAll(async () => {
    top = await space(alice, 'top');
    inner = await space(alice, 'inner');
    const [second, first, leaf] = [await create(alice, 'second'), await create(alice, 'first'), await create(alice, 'leaf')];
    const hidden = await create(alice, 'hidden', { preset: 'private_chat' });
    await put(alice, top, second, { via: [a], order: 'b', suggested: true });
    await put(alice, top, first, { via: [a], order: 'a' });
    await put(alice, top, inner, { via: [a] });
    await put(alice, top, hidden, { via: [a], order: '0' });
    await put(alice, top, await create(alice, 'taken out'), {});
    await put(alice, inner, leaf, { via: [a], suggested: true });
    // Spaces may be in each other.
    await put(alice, inner, top, { via: [a], order: '0' });
  });

  it('is shown depth first, in the order of its children, each room once', async () => {
    const page = await tree(alice, top);
    expect(names(page)).toEqual(['top', 'hidden', 'first', 'second', 'inner', 'leaf']);
    expect(page.next_batch).toBeUndefined();
    expect(page.rooms[0]).toMatchObject({ room_id: top, room_type: 'm.space', join_rule: 'public', num_joined_members: 1 });
    expect(page.rooms[0].children_state).toHaveLength(4);
    expect(page.rooms[0].children_state[1]).toEqual({
      type: 'm.space.child', state_key: page.rooms[2].room_id, content: { via: [a], order: 'a' }, sender: alice.userId, origin_server_ts: expect.any(Number),
    });
  });

  it('is cut at a depth, and to what is suggested', async () => {
    expect(names(await tree(alice, top, { max_depth: 0 }))).toEqual(['top']);
    expect(names(await tree(alice, top, { max_depth: 1 }))).toEqual(['top', 'hidden', 'first', 'second', 'inner']);
    expect(names(await tree(alice, top, { suggested_only: true }))).toEqual(['top', 'second']);
  });

  it('comes in pages, which can be asked for twice', async () => {
    const first = await tree(alice, top, { limit: 4 });
    expect(names(first)).toEqual(['top', 'hidden', 'first', 'second']);
    for (let i = 0; i < 2; i++) expect(names(await tree(alice, top, { from: first.next_batch }))).toEqual(['inner', 'leaf']);
    const path = `/v1/rooms/${encodeURIComponent(top)}/hierarchy`;
    for (const query of [{ from: first.next_batch, max_depth: 1 }, { from: first.next_batch, suggested_only: true }, { from: 'elsewhere' }, { limit: 0 }, { limit: 'x' }]) {
      await alice.expectError(400, 'M_INVALID_PARAM', 'GET', path, undefined, { query });
    }
    const carol = await net.client('a').register('carol');
    await carol.expectError(400, 'M_INVALID_PARAM', 'GET', path, undefined, { query: { from: first.next_batch } });
    expect(names(await tree(carol, top))).toEqual(['top', 'first', 'second', 'inner', 'leaf']);
  });

  it('of another server is asked of those that are said to know it', async () => {
    const theirs = await space(bob, 'theirs');
    await put(bob, theirs, await create(bob, 'their room'), { via: [b] });
    await put(bob, theirs, await create(bob, 'their secret', { preset: 'private_chat' }), { via: [b] });
    const restricted = await create(bob, 'for members of the top', {
      initial_state: [{ type: 'm.room.join_rules', state_key: '', content: { join_rule: 'restricted', allow: [{ type: 'm.room_membership', room_id: top }] } }],
    });
    await put(bob, theirs, restricted, { via: [b] });
    await bob.request('POST', `/v3/join/${encodeURIComponent(top)}`, {}, { query: { server_name: a } });
    await put(alice, top, theirs, { via: [b], order: '~' });
    const shown = ['top', 'hidden', 'first', 'second', 'theirs', 'their room', 'for members of the top', 'inner', 'leaf'];
    expect(names(await tree(alice, top))).toEqual(shown);
    const dave = await net.client('a').register('dave');
    expect(names(await tree(dave, top))).toEqual(shown.filter((name) => !['hidden', 'for members of the top'].includes(name)));
  });

  it('is nothing for those who may not come in', async () => {
    const secret = await space(alice, 'secret', { preset: 'private_chat' });
    const path = `/v1/rooms/${encodeURIComponent(secret)}/hierarchy`;
    const eve = await net.client('a').register('eve');
    await eve.expectError(403, 'M_FORBIDDEN', 'GET', path);
    await alice.request('POST', `${roomPath(secret)}/invite`, { user_id: eve.userId });
    expect(names(await tree(eve, secret))).toEqual(['secret']);
    await eve.expectError(403, 'M_FORBIDDEN', 'GET', `/v1/rooms/${encodeURIComponent('!none:example.org')}/hierarchy`);
  });
});

describe('the summary of a room', () => {
  const summary = (client: TestClient, id: string, options = {}) => client.raw('GET', `/v1/room_summary/${encodeURIComponent(id)}`, undefined, options);

  it('is for those who could come in, by id or address, of other servers too', async () => {
    const open = await create(bob, 'open', { room_alias_name: 'open', topic: 'all' });
    const shown = { room_id: open, name: 'open', topic: 'all', join_rule: 'public', world_readable: false, guest_can_join: false, num_joined_members: 1, room_version: '12' };
    expect((await summary(bob, open)).body).toMatchObject({ ...shown, membership: 'join' });
    expect((await summary(alice, `#open:${b}`)).body).toMatchObject({ ...shown, membership: 'leave' });
    expect((await summary(alice, open, { query: { via: b } })).body).toMatchObject(shown);
    expect((await summary(net.client('b'), open, { anonymous: true })).body).not.toHaveProperty('membership');
    const closed = await create(bob, 'closed', { preset: 'private_chat' });
    for (const [client, id] of [[alice, closed], [net.client('b'), closed], [alice, '!none:example.org']] as const) {
      expect(await summary(client, id, { query: { via: b }, anonymous: client.accessToken === null })).toMatchObject({ status: 404, body: { errcode: 'M_NOT_FOUND' } });
    }
  });
});
