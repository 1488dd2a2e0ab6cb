import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { first, slide, texts, unknownPos } from './sliding-talk.js';
import { createRoom, say } from './sync-talk.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let people = 0;
const person = (): Promise<TestClient> => net.client().register(`person${++people}`);

describe('positions', () => {
  it('are repeated without a loss', async () => {
    const alice = await person();
    const roomId = await createRoom(alice);
    const one = await slide(alice, first(1));
    await say(alice, roomId, 'one');
    const lost = await slide(alice, first(1), { pos: one.pos });
    await say(alice, roomId, 'two');
    const again = await slide(alice, first(1), { pos: one.pos });
    expect(texts(lost.rooms[roomId])).toEqual(['one']);
    expect(texts(again.rooms[roomId])).toEqual(['one', 'two']);
    const next = await slide(alice, first(1), { pos: again.pos });
    expect(next.rooms).toEqual({});
    // Once a later one was received, the former is gone.
    await unknownPos(alice, first(1), one.pos);
    await unknownPos(alice, first(1), lost.pos);
  });

  it('are of one connection of one device', async () => {
    const alice = await person();
    const phone = await net.client().login(alice.userId, `password of person${people}`);
    await createRoom(alice);
    const one = await slide(alice, { ...first(1), conn_id: 'one' });
    await unknownPos(alice, { ...first(1), conn_id: 'two' }, one.pos);
    await unknownPos(phone, { ...first(1), conn_id: 'one' }, one.pos);
    await unknownPos(alice, { ...first(1), conn_id: 'one' }, 's1_nonsense');
    await unknownPos(alice, { ...first(1), conn_id: 'one' }, (await alice.request('GET', '/v3/sync')).next_batch);
    const two = await slide(alice, { ...first(1), conn_id: 'two' });
    expect((await slide(alice, { ...first(1), conn_id: 'one' }, { pos: one.pos })).rooms).toEqual({});
    expect((await slide(alice, { ...first(1), conn_id: 'two' }, { pos: two.pos })).rooms).toEqual({});
    // A connection that is begun anew ends the one of that name.
    await slide(alice, { ...first(1), conn_id: 'two' });
    await unknownPos(alice, { ...first(1), conn_id: 'two' }, two.pos);
  });

  it('are places in rooms, too', async () => {
    const alice = await person();
    const roomId = await createRoom(alice);
    await say(alice, roomId, 'one');
    const { pos, rooms } = await slide(alice, first(1, { timeline_limit: 1 }));
    await say(alice, roomId, 'two');
    const page = (from: string, dir: string) => alice.request('GET', `/v3/rooms/${roomId}/messages`, undefined, { query: { from, dir } });
    expect((await page(pos, 'f')).chunk.map((event: Json) => event.content.body)).toEqual(['two']);
    expect((await page(rooms[roomId].prev_batch, 'b')).chunk.map((event: Json) => event.content.body)).not.toContain('one');
  });

  it('survive a restart with what was answered and not yet asked after, and rooms that end meanwhile', async () => {
    const alice = await person();
    const [left, stayed] = [await createRoom(alice), await createRoom(alice)];
    const one = await slide(alice, first(2));
    await say(alice, stayed, 'told');
    const two = await slide(alice, first(2), { pos: one.pos });
    await net.server('a').restart();
    expect((await slide(alice, first(2), { pos: two.pos })).rooms).toEqual({});
    await alice.request('POST', `/v3/rooms/${left}/leave`, {});
    const three = await slide(alice, first(2), { pos: two.pos });
    expect(Object.keys(three.rooms)).toEqual([left]);
    expect(three.rooms[left].timeline.at(-1).content.membership).toBe('leave');
  });

  it('survive a restart', async () => {
    const alice = await person();
    const [a, b] = [await createRoom(alice, { name: 'one' }), await createRoom(alice, { name: 'two' })];
    const one = await slide(alice, first(2));
    const two = await slide(alice, first(2), { pos: one.pos });
    await net.server('a').restart();
    await say(alice, a, 'after');
    const three = await slide(alice, first(2), { pos: two.pos });
    expect(Object.keys(three.rooms)).toEqual([a]);
    expect(texts(three.rooms[a])).toEqual(['after']);
    expect(three.rooms[a]).not.toHaveProperty('initial');
    await net.server('a').crash();
    await net.server('a').start();
    await say(alice, b, 'later');
    // What was not written before the crash is told again, or the client is told to begin anew; nothing is lost.
    const last = await alice.raw('POST', '/unstable/org.matrix.simplified_msc3575/sync', first(2), { query: { pos: three.pos } });
    expect(texts(last.body.rooms[b])).toContain('later');
  });
});
