import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bob: TestClient;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [alice, bob] = await Promise.all([net.client('a').register('alice'), net.client('a').register('bob')]);
});
afterAll(() => net.stop());

const create = async (client: TestClient, body: Json = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
const send = async (client: TestClient, roomId: string, content: Json): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', ...content })).event_id;
const say = (client: TestClient, roomId: string, body: string): Promise<string> => send(client, roomId, { body });
const edit = (client: TestClient, roomId: string, target: string, body: string): Promise<string> =>
  send(client, roomId, { body: `* ${body}`, 'm.new_content': { msgtype: 'm.text', body }, 'm.relates_to': { rel_type: 'm.replace', event_id: target } });
const redact = (client: TestClient, roomId: string, target: string): Promise<Json> =>
  client.request('PUT', `${roomPath(roomId)}/redact/${encodeURIComponent(target)}/${client.nextTxn()}`, {});
const search = async (client: TestClient, term: string, more: Json = {}, next?: string): Promise<Json> =>
  (await client.request('POST', '/v3/search', { search_categories: { room_events: { search_term: term, ...more } } }, { query: { next_batch: next } })).search_categories.room_events;
const ids = (found: Json): string[] => found.results.map((one: Json) => one.result.event_id);

describe('search', () => {
  it('finds messages, names and topics by their words', async () => {
    const roomId = await create(alice, { name: 'Garden club', topic: 'Everything about tulips' });
    const message = await say(alice, roomId, 'My tulips are in bloom, and so is the garden');
    const found = await search(alice, 'tulips');
    expect(found.count).toBe(2);
    expect(ids(found)).toContain(message);
    expect(found.results.find((one: Json) => one.result.event_id === message)).toMatchObject({ rank: expect.any(Number), result: { room_id: roomId, content: { body: 'My tulips are in bloom, and so is the garden' } } });
    expect(found.highlights).toEqual(['tulips']);
    expect(ids(await search(alice, 'BLOOM garden', { keys: ['content.body'] }))).toEqual([message]);
    expect((await search(alice, 'garden', { keys: ['content.name'] })).results.map((one: Json) => one.result.type)).toEqual(['m.room.name']);
    for (const term of ['tulips nobody', '"in garden"', '', '  ', "' & | ! (", '\u{e000}']) expect(ids(await search(alice, term))).toEqual([]);
    expect(ids(await search(alice, '"in bloom" -roses'))).toEqual([message]);
  });

  it('pages through what it finds, in either order, and in groups', async () => {
    const rooms = [await create(alice), await create(alice)];
    const sent: string[] = [];
    for (let i = 0; i < 7; i++) sent.push(await say(alice, rooms[i % 2]!, `pagination ${'pagination '.repeat(i % 3)}number ${i}`));
    for (const order of ['recent', 'rank']) {
      const wish = { order_by: order, filter: { limit: 3, rooms } };
      const pages: string[][] = [];
      let next: string | undefined;
      do {
        const page: Json = await search(alice, 'pagination', wish, next);
        expect(page.count).toBe(7);
        pages.push(ids(page));
        next = page.next_batch;
      } while (next !== undefined);
      expect(pages.map((page) => page.length)).toEqual([3, 3, 1]);
      expect(order === 'recent' ? pages.flat() : pages.flat().sort()).toEqual(order === 'recent' ? sent.toReversed() : sent.toSorted());
    }
    const grouped = await search(alice, 'pagination', { order_by: 'recent', filter: { limit: 3 }, groupings: { group_by: [{ key: 'room_id' }, { key: 'sender' }] } });
    const group = grouped.groups.room_id[rooms[0]!];
    expect(group).toEqual({ order: 1, results: [sent[6], sent[4]], next_batch: expect.any(String) });
    expect(grouped.groups.sender[alice.userId].results).toEqual([sent[6], sent[5], sent[4]]);
    expect(ids(await search(alice, 'pagination', { order_by: 'recent' }, group.next_batch))).toEqual([sent[2], sent[0]]);
    await alice.expectError(400, 'M_INVALID_PARAM', 'POST', '/v3/search', { search_categories: { room_events: { search_term: 'x' } } }, { query: { next_batch: 'nothing' } });
  });

  it('shows what is around, who it was, and the state', async () => {
    await alice.request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
    const roomId = await create(alice, { name: 'Around' });
    const sent: string[] = [];
    for (let i = 0; i < 7; i++) sent.push(await say(alice, roomId, i === 3 ? 'needle' : `hay ${i}`));
    const found = await search(alice, 'needle', { event_context: { before_limit: 2, after_limit: 1, include_profile: true }, include_state: true });
    const { context } = found.results[0];
    expect(context.events_before.map((event: Json) => event.event_id)).toEqual([sent[2], sent[1]]);
    expect(context.events_after.map((event: Json) => event.event_id)).toEqual([sent[4]]);
    expect(context.profile_info).toEqual({ [alice.userId]: { displayname: 'Alice' } });
    expect(found.state[roomId].map((event: Json) => event.type)).toContain('m.room.name');
    const older = await alice.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: context.start, limit: 1 } });
    expect(older.chunk[0].event_id).toBe(sent[0]);
  });

  it('shows nobody what is not for him', async () => {
    const roomId = await create(alice, { preset: 'private_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }] });
    await say(alice, roomId, 'zeppelin before');
    expect(ids(await search(bob, 'zeppelin'))).toEqual([]);
    await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
    expect(ids(await search(bob, 'zeppelin'))).toEqual([]);
    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    const between = await say(alice, roomId, 'zeppelin between');
    expect(ids(await search(bob, 'zeppelin'))).toEqual([between]);
    await bob.request('POST', `${roomPath(roomId)}/leave`, {});
    const after = await say(alice, roomId, 'zeppelin after');
    expect(ids(await search(bob, 'zeppelin'))).toEqual([between]);
    expect(ids(await search(alice, 'zeppelin', { order_by: 'recent', filter: { limit: 1 } }))).toEqual([after]);
    await bob.request('POST', `${roomPath(roomId)}/forget`, {});
    expect(ids(await search(bob, 'zeppelin'))).toEqual([]);
  });

  it('tells nobody how often something was said that he cannot see', async () => {
    const roomId = await create(alice, { preset: 'private_chat', initial_state: [{ type: 'm.room.history_visibility', content: { history_visibility: 'joined' } }] });
    const count = async (client: TestClient): Promise<number> => (await search(client, 'guillemot')).count;
    await say(alice, roomId, 'guillemot before');
    await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
    await bob.request('POST', `${roomPath(roomId)}/leave`, {});
    expect(await count(bob)).toBe(0);
    await alice.request('POST', `${roomPath(roomId)}/invite`, { user_id: bob.userId });
    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    expect(await count(bob)).toBe(0);
    await say(alice, roomId, 'guillemot between');
    expect(await count(bob)).toBe(1);
    await alice.request('POST', `${roomPath(roomId)}/ban`, { user_id: bob.userId });
    await say(alice, roomId, 'guillemot after');
    expect(await search(bob, 'guillemot', { include_state: true })).toMatchObject({ count: 1, state: {} });
    expect(await count(alice)).toBe(3);
  });

  it('finds by what a message was edited into only for those who may see the edit', async () => {
    const roomId = await create(alice, { preset: 'public_chat' });
    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    const sent = await say(alice, roomId, 'bittern');
    await bob.request('POST', `${roomPath(roomId)}/leave`, {});
    await edit(alice, roomId, sent, 'avocet');
    expect(ids(await search(alice, 'avocet'))).toEqual([sent]);
    for (const order of ['rank', 'recent']) expect(await search(bob, 'avocet', { order_by: order })).toMatchObject({ count: 0, results: [] });
  });

  it('shows of what is around no more than has a place in an answer', async () => {
    const roomId = await create(alice);
    const sent: string[] = [];
    for (let i = 0; i < 12; i++) sent.push(await say(alice, roomId, `cormorant ${'x'.repeat(60_000)}`));
    const found = await search(alice, 'cormorant', { order_by: 'recent', filter: { limit: 50 }, event_context: { before_limit: 20, after_limit: 20 } });
    expect(ids(found)).toEqual(sent.toReversed());
    const around = found.results.flatMap(({ context }: Json) => [...context.events_before, ...context.events_after]);
    expect(JSON.stringify(around).length).toBeLessThan(4.5 * 1024 * 1024);
    expect(found.results[0].context.events_before.slice(0, 11).map((event: Json) => event.event_id)).toEqual(sent.slice(0, 11).toReversed());
    // What had no place is had from where it would be.
    const { events_after: none, end } = found.results.at(-1).context;
    expect(none).toEqual([]);
    expect((await alice.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'f', from: end, limit: 1 } })).chunk[0].event_id).toBe(sent[1]);
  });

  it('leaves out whom one ignores, and heeds the filter', async () => {
    const roomId = await create(alice, { preset: 'public_chat' });
    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    const [hers, his] = [await say(alice, roomId, 'quarrel'), await say(bob, roomId, 'quarrel')];
    expect(ids(await search(alice, 'quarrel', { order_by: 'recent' }))).toEqual([his, hers]);
    expect(ids(await search(alice, 'quarrel', { filter: { senders: [bob.userId] } }))).toEqual([his]);
    expect(ids(await search(alice, 'quarrel', { filter: { not_senders: [bob.userId] } }))).toEqual([hers]);
    expect(ids(await search(alice, 'quarrel', { filter: { not_rooms: [roomId] } }))).toEqual([]);
    expect(ids(await search(alice, 'quarrel', { filter: { types: ['m.room.name'] } }))).toEqual([]);
    await alice.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`, { ignored_users: { [bob.userId]: {} } });
    expect(ids(await search(alice, 'quarrel'))).toEqual([hers]);
    await alice.request('PUT', `/v3/user/${encodeURIComponent(alice.userId)}/account_data/m.ignored_user_list`, { ignored_users: {} });
  });

  it('finds what is not redacted, and messages as they were edited last', async () => {
    const roomId = await create(alice, { preset: 'public_chat' });
    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    const [gone, kept] = [await say(alice, roomId, 'walrus one'), await say(alice, roomId, 'walrus two')];
    await redact(alice, roomId, gone);
    for (const order of ['rank', 'recent']) expect(ids(await search(alice, 'walrus', { order_by: order }))).toEqual([kept]);
    const first = await edit(alice, roomId, kept, 'ocelot');
    const second = await edit(alice, roomId, kept, 'marmoset');
    expect(ids(await search(alice, 'walrus'))).toEqual([]);
    expect(ids(await search(alice, 'ocelot'))).toEqual([]);
    const edited = await search(alice, 'marmoset');
    expect(ids(edited)).toEqual([kept]);
    expect(edited.results[0].result.unsigned['m.relations']['m.replace'].event_id).toBe(second);
    // Nobody edits what others said.
    await edit(bob, roomId, kept, 'anteater');
    expect(ids(await search(alice, 'anteater'))).toEqual([]);
    await redact(alice, roomId, second);
    expect(ids(await search(alice, 'ocelot'))).toEqual([kept]);
    await redact(alice, roomId, first);
    expect(ids(await search(alice, 'walrus'))).toEqual([kept]);
    await edit(alice, roomId, kept, 'lemur');
    await redact(alice, roomId, kept);
    expect(ids(await search(alice, 'lemur'))).toEqual([]);
  });

  it('knows after a start what came before it, and after a change of the language other forms of a word', async () => {
    const server = await net.add('c');
    const carol = await net.client('c').register('carol');
    const roomId = await create(carol);
    const sent = await say(carol, roomId, 'She was running with the horses');
    await server.crash();
    await server.start();
    await eventually(async () => ids(await search(carol, 'horses')).includes(sent));
    expect(ids(await search(carol, 'horse'))).toEqual([]);
    await server.stop();
    Object.assign(server, { config: Object.freeze({ ...server.config, searchLanguage: 'english' }) });
    await server.start();
    await eventually(async () => ids(await search(carol, 'run horse')).includes(sent));
    expect((await search(carol, 'run')).highlights).toEqual(['running']);
  });

  it('finds history that came from another server', async () => {
    const roomId = await create(alice, { preset: 'public_chat' });
    const old = await say(alice, roomId, 'heirloom');
    for (let i = 0; i < 3; i++) await say(alice, roomId, `filler ${i}`);
    const far = await net.client('b').register('far');
    await far.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: net.server('a').name } });
    await eventually(async () => {
      const { chunk } = await far.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 50 } });
      return chunk.some((event: Json) => event.event_id === old);
    });
    await eventually(async () => ids(await search(far, 'heirloom')).includes(old));
  });
});
