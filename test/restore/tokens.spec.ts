import { DatabaseEpoch } from '../../apps/homeserver/src/storage/database-epoch.js';
import { Network } from '../network/network.js';
import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

const ways = ['database', 'witness', 'nothing'] as const;
const TYPE = 'test.message';

const sync = (client: TestClient, since?: string): Promise<Json> => client.request('GET', '/v3/sync', undefined, { query: { since, timeout: 0 } });
const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${body}`, { msgtype: 'm.text', body })).event_id;
const texts = (events: readonly Json[] = []): string[] => events.flatMap((event) => event.content.body ?? []);
const write = (to: TestClient, from: TestClient, body: string): Promise<Json> =>
  from.request('PUT', `/v3/sendToDevice/${TYPE}/${body}`, { messages: { [to.userId]: { [to.deviceId!]: { body } } } });
const waiting = (answer: Json): string[] => (answer.to_device?.events ?? []).map((event: Json) => event.content.body);
const putData = (client: TestClient, value: string): Promise<Json> =>
  client.request('PUT', `/v3/user/${encodeURIComponent(client.userId)}/account_data/test.setting`, { value });

describe.each(ways)('tokens of before a restore that is noticed by %s', (noticed) => {
  let net: Network;
  beforeEach(async () => {
    net = await Network.start();
  });
  afterEach(() => net.stop());

  it('get a fresh start', async () => {
    const [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
    const roomId = (await alice.request('POST', '/v3/createRoom', { name: 'Before', invite: [bob.userId] })).room_id;
    const gone = (await alice.request('POST', '/v3/createRoom', { name: 'Left' })).room_id;
    await alice.request('POST', `${roomPath(gone)}/leave`, {});
    await putData(alice, 'old');
    const known = await sync(alice);
    const backup = await net.backUp('a');

    await bob.request('POST', `${roomPath(roomId)}/join`, {});
    await say(alice, roomId, 'lost');
    await putData(alice, 'new');
    await alice.request('PUT', `${roomPath(roomId)}/state/m.room.name/`, { name: 'Lost' });
    const lost = await sync(alice, known.next_batch);
    expect(texts(lost.rooms.join[roomId].timeline.events)).toEqual(['lost']);
    await net.restore('a', backup, noticed);

    await say(alice, roomId, 'after');
    const fresh = await sync(alice, lost.next_batch);
    const room = fresh.rooms.join[roomId];
    expect(room.timeline.limited).toBe(true);
    expect(texts(room.timeline.events)).toEqual(['after']);
    const all = [...room.state.events, ...room.timeline.events];
    expect(all.find((event) => event.type === 'm.room.name').content.name).toBe('Before');
    expect(all.find((event) => event.state_key === bob.userId).content.membership).toBe('invite');
    // The client may think that it is in there.
    expect(fresh.rooms.leave[gone].timeline.events.map((event: Json) => event.content.membership)).toEqual(['leave']);
    expect(fresh.account_data.events.find((event: Json) => event.type === 'test.setting').content).toEqual({ value: 'old' });
    // Once.
    expect((await sync(alice, fresh.next_batch)).rooms).toBeUndefined();
    await say(alice, roomId, 'more');
    const next = await sync(alice, fresh.next_batch);
    expect(next.rooms.join[roomId].timeline).toMatchObject({ limited: false });
    expect(texts(next.rooms.join[roomId].timeline.events)).toEqual(['more']);
  });

  it('are good up to where the backup ends, also after further starts', async () => {
    const alice = await net.client().register('alice');
    const roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
    const { next_batch: since } = await sync(alice);
    await say(alice, roomId, 'in the backup');
    const backup = await net.backUp('a');
    await say(alice, roomId, 'lost');
    await net.server('a').restart();
    const { next_batch: lost } = await sync(alice, since);
    await net.restore('a', backup, noticed);
    await net.server('a').restart();
    await say(alice, roomId, 'after');
    const answer = await sync(alice, since);
    expect(answer.rooms.join[roomId].timeline.limited).toBe(false);
    expect(texts(answer.rooms.join[roomId].timeline.events)).toEqual(['in the backup', 'after']);
    expect((await sync(alice, lost)).rooms.join[roomId].timeline.limited).toBe(true);
  });

  it('delete no messages to the device', async () => {
    const [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
    await write(alice, bob, 'waits');
    const backup = await net.backUp('a');
    for (const body of ['lost 1', 'lost 2', 'lost 3']) await write(alice, bob, body);
    const lost = await sync(alice);
    expect(waiting(lost)).toEqual(['waits', 'lost 1', 'lost 2', 'lost 3']);
    await net.restore('a', backup, noticed);
    await write(alice, bob, 'new');
    const fresh = await sync(alice, lost.next_batch);
    expect(waiting(fresh)).toContain('new');
    // No answer came: it asks again with the same token.
    expect(waiting(await sync(alice, lost.next_batch))).toContain('new');
    expect(waiting(await sync(alice, fresh.next_batch))).toEqual([]);
    expect(waiting(await sync(alice))).toEqual([]);
  });

  it('lead to all that is here, as places in the history', async () => {
    const alice = await net.client().register('alice');
    const roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
    await say(alice, roomId, 'kept');
    const backup = await net.backUp('a');
    for (let i = 0; i < 30; i++) await say(alice, roomId, `lost ${i}`);
    const filter = JSON.stringify({ room: { timeline: { limit: 5 } } });
    const lost = await alice.request('GET', '/v3/sync', undefined, { query: { filter } });
    await net.restore('a', backup, noticed);
    await say(alice, roomId, 'after');
    const place = lost.rooms.join[roomId].timeline.prev_batch;
    const page = await alice.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', from: place } });
    expect(texts(page.chunk)).toEqual(['after', 'kept']);
    const forward = await alice.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'f', from: place, limit: 50 } });
    expect(texts(forward.chunk)).toContain('after');
    const changes = await alice.request('GET', '/v3/keys/changes', undefined, { query: { from: lost.next_batch } });
    expect(changes.changed).toEqual(expect.any(Array));
  });

  it('begin a new epoch, once for all of them', async () => {
    const [alice, bob] = [await net.client().register('alice'), await net.client().register('bob')];
    const roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
    const backup = await net.backUp('a');
    const before = net.server('a').get(DatabaseEpoch).epoch;
    await say(alice, roomId, 'lost');
    const first = await sync(alice);
    await net.server('a').restart();
    await say(alice, roomId, 'lost, too');
    const [second, third] = [await sync(alice), await sync(bob)];
    expect(net.server('a').get(DatabaseEpoch).epoch).toBe(before);
    await net.restore('a', backup, noticed);
    await sync(alice, first.next_batch);
    const after = net.server('a').get(DatabaseEpoch).epoch;
    expect(after).not.toBe(before);
    for (const [client, { next_batch: since }] of [[alice, second], [bob, third], [alice, first]] as const) await sync(client, since);
    await net.server('a').restart();
    await sync(alice, second.next_batch);
    expect(net.server('a').get(DatabaseEpoch).epoch).toBe(after);
  });
});

describe('what nobody can bring about', () => {
  let net: Network;
  beforeAll(async () => {
    net = await Network.start();
  });
  afterAll(() => net.stop());

  it('is a restore, by tokens that are forged, of other servers, or of the first version', async () => {
    const other = await net.add('b');
    const alice = await net.client('a').register('alice');
    const carol = await net.client(other).register('carol');
    const { epoch } = net.server('a').get(DatabaseEpoch);
    const { next_batch: own } = await sync(alice);
    const { next_batch: foreign } = await sync(carol);
    const far = own.replace(/_[0-9a-z]+/, '_zzzzzzzz');
    for (const since of [foreign, far, 's1_9_9_9_9_9_9', 's1_900000000000_0_0_0_0_0', 'r1_gone']) {
      await alice.raw('GET', '/v3/sync', undefined, { query: { since } });
    }
    expect(net.server('a').get(DatabaseEpoch).epoch).toBe(epoch);
  });

  it('is one after a crash, whatever was deleted', async () => {
    const [alice, bob] = [await net.client('a').register('al'), await net.client('a').register('bo')];
    const { epoch } = net.server('a').get(DatabaseEpoch);
    for (const body of ['one', 'two']) await write(alice, bob, body);
    const roomId = (await alice.request('POST', '/v3/createRoom', {})).room_id;
    let answer = await sync(alice);
    answer = await sync(alice, answer.next_batch);
    for (let i = 0; i < 3; i++) {
      await write(alice, bob, `again ${i}`);
      await say(alice, roomId, `said ${i}`);
      await putData(alice, `${i}`);
      answer = await sync(alice, answer.next_batch);
      expect(waiting(answer)).toEqual([`again ${i}`]);
      answer = await sync(alice, answer.next_batch);
      await net.server('a').crash();
      await net.server('a').start();
      answer = await sync(alice, answer.next_batch);
      expect(answer.rooms).toBeUndefined();
    }
    expect(net.server('a').get(DatabaseEpoch).epoch).toBe(epoch);
  });
});
