import { DelayedEvents, MAX_BYTES_IN_ALL, MAX_DELAY_MS, MAX_WAITING } from '../../apps/homeserver/src/rooms/delayed/delayed-events.js';
import { takeViolations } from '../network/contract-check.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { TravellingClock } from '../network/travelling-clock.js';
import type { Json, TestClient } from '../network/test-client.js';

let net: Network;
let clock: TravellingClock;
let alice: TestClient;
let bob: TestClient;
let roomId: string;
let count = 0;

const UNSTABLE = '/unstable/org.matrix.msc4140/delayed_events';
const TYPE = 'com.example.test';
const room = (): string => `/v3/rooms/${encodeURIComponent(roomId)}`;
const message = (client: TestClient, body: string, delay: number, txn = client.nextTxn()): Promise<Json> =>
  client.request('PUT', `${room()}/delayed_event/m.room.message/${txn}`, { delay, content: { msgtype: 'm.text', body } });
const act = (delayId: string, action: string): Promise<Json> => bob.request('POST', `/v1/delayed_events/${delayId}/${action}`, {}, { anonymous: true });
const get = (delayId: string): Promise<Json> => alice.request('GET', `/v1/delayed_events/${delayId}`);
const list = async (client: TestClient, query: Record<string, string> = {}): Promise<Json[]> => (await client.request('GET', '/v1/delayed_events', undefined, { query })).delayed_events;
const texts = async (): Promise<string[]> => (await alice.request('GET', `${room()}/messages`, undefined, { query: { dir: 'f', limit: 100 } })).chunk
  .filter(({ type }: Json) => type === 'm.room.message').map(({ content }: Json) => content.body);
/** Lets time pass, and what is due by then be sent. */
async function pass(ms: number): Promise<void> {
  clock.aheadMs += ms;
  await net.server('a').get(DelayedEvents).tick();
}

beforeEach(async () => {
  clock = new TravellingClock();
  net = await Network.start({ servers: ['a'], clock });
  count++;
  alice = await net.client('a').register(`alice${count}`);
  bob = await net.client('a').register(`bob${count}`);
  roomId = (await alice.request('POST', '/v3/createRoom', { preset: 'public_chat', power_level_content_override: { events: { [TYPE]: 0 } } })).room_id;
  await bob.request('POST', `${room()}/join`, {});
});
afterEach(() => net.stop());

describe('a delayed event', () => {
  it('is sent when its time has come, not before, in order', async () => {
    const ids: string[] = [];
    for (const [i, text] of ['three', 'one', 'two'].entries()) ids.push((await message(alice, text, [300_000, 100_000, 200_000][i]!)).delay_id);
    expect(new Set(ids).size).toBe(3);
    expect(await get(ids[1]!)).toEqual({
      delay_id: ids[1], room_id: roomId, type: 'm.room.message', delay: 100_000, running_since: expect.any(Number), content: { msgtype: 'm.text', body: 'one' },
    });
    expect((await list(alice)).map(({ delay_id: id }) => id)).toEqual([ids[1], ids[2], ids[0]]);
    await pass(90_000);
    expect(await texts()).toEqual([]);
    await pass(250_000);
    expect(await texts()).toEqual(['one', 'two', 'three']);
    const sent = await get(ids[1]!);
    expect(sent).toMatchObject({ event_id: expect.stringMatching(/^\$/), origin_server_ts: expect.any(Number) });
    expect((await bob.request('GET', `${room()}/event/${encodeURIComponent(sent.event_id)}`)).sender).toBe(alice.userId);
    expect(await list(alice, { status: 'scheduled' })).toEqual([]);
    expect(await list(alice, { outcome: 'send', reason: 'delay' })).toHaveLength(3);
    expect(await list(alice, { reason: 'action' })).toEqual([]);
  });

  it('can be sent at once, begin to wait anew, or be cancelled, by whoever knows its id', async () => {
    const [sent, restarted, cancelled] = [await message(alice, 'sent', 100_000), await message(alice, 'restarted', 100_000), await message(alice, 'cancelled', 100_000)];
    await act(sent.delay_id, 'send');
    await act(sent.delay_id, 'send');
    await act(cancelled.delay_id, 'cancel');
    await act(cancelled.delay_id, 'cancel');
    expect(await texts()).toEqual(['sent']);
    await pass(60_000);
    await act(restarted.delay_id, 'restart');
    await pass(60_000);
    expect(await texts()).toEqual(['sent']);
    await pass(60_000);
    expect(await texts()).toEqual(['sent', 'restarted']);
    for (const [{ delay_id: id }, action] of [[sent, 'cancel'], [sent, 'restart'], [cancelled, 'send'], [cancelled, 'restart']] as const) {
      await bob.expectError(409, 'M_UNKNOWN', 'POST', `/v1/delayed_events/${id}/${action}`, {}, { anonymous: true });
    }
    for (const action of ['send', 'cancel', 'restart']) await bob.expectError(404, 'M_NOT_FOUND', 'POST', `/v1/delayed_events/abc/${action}`, {}, { anonymous: true });
    await bob.expectError(404, 'M_UNRECOGNIZED', 'POST', `/v1/delayed_events/${sent.delay_id}/oops`, {}, { anonymous: true });
    // Only its sender reads it.
    await bob.expectError(404, 'M_NOT_FOUND', 'GET', `/v1/delayed_events/${sent.delay_id}`);
    expect(await list(bob)).toEqual([]);
  });

  it('may be of the state, and is sent as the state and the rights are then', async () => {
    const state = (client: TestClient, key: string, value: string): Promise<Json> =>
      client.request('PUT', `${room()}/delayed_event/${TYPE}/${client.nextTxn()}`, { delay: 1_000, state_key: key, content: { value } });
    await state(alice, 'own', 'later');
    const topic = await bob.request('PUT', `${room()}/delayed_event/m.room.topic/${bob.nextTxn()}`, { delay: 1_000, state_key: '', content: { topic: 'Mine' } });
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${room()}/state/${TYPE}/own`);
    await bob.expectError(403, 'M_FORBIDDEN', 'POST', `/v1/delayed_events/${topic.delay_id}/send`, {});
    expect(await list(bob, { status: 'scheduled' })).toHaveLength(1);
    await pass(2_000);
    expect(await alice.request('GET', `${room()}/state/${TYPE}/own`)).toEqual({ value: 'later' });
    expect((await list(bob))[0]).toMatchObject({ state_key: '', error: { errcode: 'M_FORBIDDEN' } });
    expect(await list(bob, { outcome: 'error' })).toHaveLength(1);
    // An end because of an error counts as cancelled.
    await act(topic.delay_id, 'cancel');
  });

  it('is made once for one request', async () => {
    const first = await message(alice, 'once', 60_000, 'same');
    expect(await message(alice, 'once', 60_000, 'same')).toEqual(first);
    expect(await message(bob, 'once', 60_000, 'same')).not.toEqual(first);
    expect(await list(alice)).toHaveLength(1);
  });

  it('is kept over a restart and a crash, and sent once', async () => {
    await message(alice, 'before', 3_600_000);
    const { delay_id: later } = await message(alice, 'later', 7_200_000);
    await net.server('a').crash();
    clock.aheadMs += 3_700_000;
    await net.server('a').start();
    await eventually(async () => (await texts()).includes('before'));
    await net.server('a').restart();
    await pass(0);
    expect(await texts()).toEqual(['before']);
    expect(await list(alice, { status: 'scheduled' })).toEqual([expect.objectContaining({ delay_id: later })]);
  });

  it('waits no longer than it was to wait when the clock had been ahead', async () => {
    clock.aheadMs += 10 * 24 * 3_600_000;
    await message(alice, 'of the future', 60_000);
    await net.server('a').stop();
    clock.aheadMs = 0;
    await net.server('a').start();
    await pass(61_000);
    expect(await texts()).toEqual(['of the future']);
  });

  it('is not sent for an account that has ended, left or was locked', async () => {
    const admin = await net.administrator();
    const { delay_id: id } = await message(bob, 'from a locked account', 1_000);
    await admin.request('PUT', `/v1/admin/lock/${encodeURIComponent(bob.userId)}`, { locked: true });
    await pass(2_000);
    await admin.request('PUT', `/v1/admin/lock/${encodeURIComponent(bob.userId)}`, { locked: false });
    expect((await bob.request('GET', `/v1/delayed_events/${id}`)).error.errcode).toBe('M_FORBIDDEN');
    await message(bob, 'from outside', 1_000);
    await bob.request('POST', `${room()}/leave`, {});
    await pass(2_000);
    expect((await list(bob, { outcome: 'error' })).map(({ error }) => error.errcode)).toEqual(['M_FORBIDDEN', 'M_FORBIDDEN']);
    expect(await texts()).toEqual([]);
    await message(alice, 'from nobody', 1_000);
    const { body: { session } } = await alice.raw('POST', '/v3/account/deactivate', {});
    const auth = { type: 'm.login.password', identifier: { type: 'm.id.user', user: alice.userId }, password: `password of alice${count}`, session };
    await alice.request('POST', '/v3/account/deactivate', { auth });
    await pass(2_000);
    const { chunk } = await bob.request('GET', `${room()}/messages`, undefined, { query: { dir: 'b' } });
    expect(chunk.filter(({ type }: Json) => type === 'm.room.message')).toEqual([]);
  });

  it('has bounds', async () => {
    const path = `${room()}/delayed_event/m.room.message`;
    const content = { body: 'x', msgtype: 'm.text' };
    const { max_delay: max } = await alice.expectError(400, 'M_MAX_DELAY_EXCEEDED', 'PUT', `${path}/t1`, { delay: MAX_DELAY_MS + 1, content });
    expect(max).toBe(MAX_DELAY_MS);
    for (const body of [{ content }, { delay: 0, content }, { delay: -1, content }, { delay: '5', content }, { delay: 5 }, { delay: 5, content: [] }]) {
      expect((await alice.raw('PUT', `${path}/t2`, body)).status).toBe(400);
    }
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', `${path}/t3`, { delay: 5, content: { ...content, body: 'x'.repeat(65_536) } });
    await message(alice, 'the first', 10_000);
    for (let i = 1; i < MAX_WAITING; i++) await message(alice, 'more', 20_000);
    const { retry_after_ms: wait } = await alice.expectError(429, 'M_LIMIT_EXCEEDED', 'PUT', `${path}/t4`, { delay: 5, content });
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(10_000);
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v1/delayed_events', undefined, { query: { status: 'asleep' } });
    const { capabilities } = await alice.request('GET', '/v3/capabilities');
    expect(capabilities['m.delayed_events']).toEqual({ max_delay_ms: MAX_DELAY_MS, max_scheduled: MAX_WAITING });
  });

  it('is one of so many bytes of an account, waiting or kept', async () => {
    // What JSON writes around the text.
    const around = Buffer.byteLength(JSON.stringify({ msgtype: 'm.text', body: '' }));
    const large = 'x'.repeat(MAX_BYTES_IN_ALL / 32 - around);
    for (let i = 0; i < 31; i++) await message(alice, large, 10_000);
    const path = `${room()}/delayed_event/m.room.message/full`;
    await alice.expectError(429, 'M_LIMIT_EXCEEDED', 'PUT', path, { delay: 10_000, content: { msgtype: 'm.text', body: `${large}x` } });
    await message(alice, large, 10_000);
    await alice.expectError(429, 'M_LIMIT_EXCEEDED', 'PUT', path, { delay: 10_000, content: {} });
    await pass(20_000);
    await message(alice, 'one more', 10_000);
    await pass(20_000);
    expect((await list(alice)).length).toBe(32);
  });

  it('is made, listed and managed in the first form of the proposal', async () => {
    const query = { 'org.matrix.msc4140.delay': 900 };
    const put = (path: string, body?: Json, more: Json = query): Promise<Json> => alice.request('PUT', `${room()}/${path}`, body, { query: more });
    const { delay_id: first } = await put(`send/${TYPE}/t1`, { count: 1 });
    // Clients repeat it without the body, too.
    expect((await put(`send/${TYPE}/t1`)).delay_id).toBe(first);
    const { delay_id: second } = await put(`state/${TYPE}/key`, { set: true });
    // The answer of a send has no event id then, which its specification wants.
    for (const violation of takeViolations()) expect(violation).toContain("must have required property 'event_id'");
    const waiting = async (): Promise<Json[]> => (await alice.request('GET', UNSTABLE)).delayed_events;
    expect((await waiting()).map(({ delay_id: id, state_key: key }) => [id, key])).toEqual([[first, undefined], [second, 'key']]);
    await alice.request('POST', `${UNSTABLE}/${first}`, { action: 'cancel' });
    await bob.request('POST', `${UNSTABLE}/${second}/send`, undefined, { anonymous: true });
    expect(await waiting()).toEqual([]);
    expect(await alice.request('GET', `${room()}/state/${TYPE}/key`)).toEqual({ set: true });
    expect((await bob.raw('POST', `${UNSTABLE}/abc`, {}, { anonymous: true })).status).toBe(400);
    await alice.expectError(401, 'M_MISSING_TOKEN', 'GET', UNSTABLE, undefined, { anonymous: true });
    const refused = await alice.expectError(400, 'M_UNKNOWN', 'PUT', `${room()}/send/${TYPE}/t2`, {}, { query: { 'org.matrix.msc4140.delay': MAX_DELAY_MS + 1 } });
    expect(refused).toMatchObject({ 'org.matrix.msc4140.errcode': 'M_MAX_DELAY_EXCEEDED', 'org.matrix.msc4140.max_delay': MAX_DELAY_MS });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', `${room()}/send/${TYPE}/t3`, {}, { query: { 'org.matrix.msc4140.delay': 'soon' } });
    expect((await alice.request('GET', '/versions')).unstable_features['org.matrix.msc4140']).toBe(true);
  });
});
