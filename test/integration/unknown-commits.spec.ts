import { usualLimits } from '../../apps/homeserver/src/storage/database-limits.js';
import { DatabaseProxy, type CommitFate } from '../network/database-proxy.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import { allPages, roomPath, shownAs } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';
import { TestDeviceKeys } from './test-keys.js';

/** The connection between a server and its database breaks, or falls silent, while a COMMIT is on its way. */
describe.each<CommitFate>(['answer lost', 'commit lost', 'silent'])('a write whose COMMIT has its %s', (fate) => {
  let net: Network;
  let proxy: DatabaseProxy;
  let [alice, carol, bob]: TestClient[] = [];
  let roomId = '';

  beforeAll(async () => {
    net = await Network.start({
      servers: ['a', 'b'],
      databaseLimits: { ...usualLimits, answerMs: 2_500 },
      databaseUrl: async (label, url) => {
        if (label !== 'a') return url;
        const way = await DatabaseProxy.open(url);
        ({ proxy } = way);
        return way.url;
      },
    });
    [alice, carol, bob] = [await net.client('a').register('alice'), await net.client('a').register('carol'), await net.client('b').register('bob')];
    ({ room_id: roomId } = await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' }));
    for (const member of [carol, bob]) await member.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { server_name: net.server('a').name } });
    for (const client of [alice, carol]) await TestDeviceKeys.upload(client);
  });
  afterAll(async () => {
    await net?.stop();
    await proxy?.close();
  });

  const position = async (client: TestClient): Promise<string> => (await client.request('GET', '/v3/sync', undefined, { query: { timeout: 0 } })).next_batch;
  const waiting = async (client: TestClient, find: (answer: Json) => unknown): Promise<Json> => {
    let since = await position(client);
    return eventually(async () => {
      const answer = await client.request('GET', '/v3/sync', undefined, { query: { since, timeout: 10_000 } });
      since = answer.next_batch;
      return find(answer);
    });
  };
  const timeline = (answer: Json, id = roomId): Json[] => answer.rooms?.join?.[id]?.timeline.events ?? [];
  const send = (client: TestClient, body: string) =>
    client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body });
  const bodies = async (client: TestClient): Promise<string[]> => shownAs((await allPages(client, roomId, { dir: 'b', limit: 100 })).events);
  const times = (list: readonly string[], body: string): number => list.filter((one) => one === body).length;

  it('is a message that everybody gets, once', async () => {
    const heard = waiting(carol!, (answer) => timeline(answer).some((event) => event.content.body === 'hello'));
    const cut = proxy.cut('events.insert', fate);
    await send(alice!, 'hello');
    await cut;
    await heard;
    await eventually(async () => times(await bodies(bob!), 'hello') === 1);
    await send(alice!, 'after hello');
    expect(times(await bodies(alice!), 'hello')).toBe(1);
  });

  it('is a ban that holds', async () => {
    const dave = await net.client('a').register('dave');
    await dave.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {});
    const cut = proxy.cut('events.insert', fate);
    await alice!.request('POST', `${roomPath(roomId)}/ban`, { user_id: dave.userId });
    await cut;
    await expect(send(dave, 'still here')).rejects.toThrow('M_FORBIDDEN');
    await eventually(async () => (await bob!.request('GET', `${roomPath(roomId)}/state/m.room.member/${encodeURIComponent(dave.userId)}`)).membership === 'ban');
  });

  it('is a room that exists', async () => {
    const cut = proxy.cut('rooms.insert', fate);
    const { room_id: made } = await alice!.request('POST', '/v3/createRoom', {});
    await cut;
    await alice!.request('PUT', `${roomPath(made)}/send/m.room.message/${alice!.nextTxn()}`, { body: 'first' });
    expect((await alice!.request('GET', '/v3/joined_rooms')).joined_rooms).toContain(made);
  });

  it('is account data', async () => {
    const heard = waiting(alice!, (answer) => answer.account_data?.events.find((event: Json) => event.type === 'org.example.x')?.content);
    const cut = proxy.cut('account_data.upsert', fate);
    await alice!.request('PUT', `/v3/user/${encodeURIComponent(alice!.userId)}/account_data/org.example.x`, { n: 1 });
    await cut;
    expect(await heard).toEqual({ n: 1 });
  });

  it('is keys of a device', async () => {
    const heard = waiting(carol!, (answer) => answer.device_lists?.changed?.includes(alice!.userId));
    const phone = await net.client('a').login('alice');
    const cut = proxy.cut('device_list.upsert', fate);
    const { keys } = await TestDeviceKeys.upload(phone, 5);
    await cut;
    await heard;
    expect((await phone.request('POST', '/v3/keys/upload', {})).one_time_key_counts).toEqual({ signed_curve25519: 5 });
    await eventually(async () => {
      const { device_keys: found } = await bob!.request('POST', '/v3/keys/query', { device_keys: { [alice!.userId]: [] } });
      return found[alice!.userId]?.[phone.deviceId]?.keys[`ed25519:${phone.deviceId}`] === (keys['keys'] as Json)[`ed25519:${phone.deviceId}`];
    });
  });

  it.each([['here', 'to_device.insert'], ['elsewhere', 'outbox.insert_edus']])('is a message to a device that is %s', async (where, statement) => {
    const target = where === 'here' ? carol! : bob!;
    const got: string[] = [];
    const heard = waiting(target, (answer) => {
      got.push(...(answer.to_device?.events ?? []).map((event: Json) => event.content.text));
      return got.includes('after');
    });
    const sendTo = (text: string) =>
      alice!.request('PUT', `/v3/sendToDevice/org.example.x/${alice!.nextTxn()}`, { messages: { [target.userId]: { '*': { text } } } });
    const cut = proxy.cut(statement, fate);
    await sendTo('hello');
    await cut;
    await sendTo('after');
    await heard;
    expect(got).toEqual(['hello', 'after']);
  });

  it('is an operation of an account', async () => {
    const person = await Person.named(`erin-${fate.replace(' ', '-')}`, net.server('a'));
    const client = person.at(net.server('a'));
    const cut = proxy.cut('account_op.append', fate);
    await client.request('PUT', `/v3/profile/${encodeURIComponent(person.userId)}/displayname`, { displayname: 'Erin' });
    await cut;
    expect((await client.request('GET', `/v3/profile/${encodeURIComponent(person.userId)}/displayname`)).displayname).toBe('Erin');
    // The next operation continues the log.
    await client.request('PUT', `/v3/profile/${encodeURIComponent(person.userId)}/displayname`, { displayname: 'Erin B.' });
  });

  it('is an event of another server', async () => {
    const heard = waiting(alice!, (answer) => timeline(answer).some((event) => event.content.body === 'from b'));
    const cut = proxy.cut('events.insert', fate);
    await send(bob!, 'from b');
    await cut;
    await heard;
    await send(bob!, 'after b');
    await eventually(async () => times(await bodies(alice!), 'after b') === 1);
    expect(times(await bodies(alice!), 'from b')).toBe(1);
  });

  it('is a session that has ended', async () => {
    const old = await net.client('a').login('carol');
    const cut = proxy.cut('access_token.delete', fate);
    await old.request('POST', '/v3/logout', {});
    await cut;
    await old.expectError(401, 'M_UNKNOWN_TOKEN', 'GET', '/v3/account/whoami');
  });
});
