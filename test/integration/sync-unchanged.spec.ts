import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import { bodies, createRoom, filter, join, say, sync } from './sync-talk.js';
import { TestDeviceKeys } from './test-keys.js';

let net: Network;
beforeAll(async () => {
  net = await Network.start();
});
afterAll(() => net.stop());

let users = 0;

/** A client that has everything, and was told so: what it is told next comes from its last token alone. */
async function settled(): Promise<{ client: TestClient; since: string }> {
  const client = await net.client().register(`settled${++users}`);
  return { client, since: await settle(client) };
}

async function settle(client: TestClient, from?: string): Promise<string> {
  let since = from;
  for (let i = 0; i < 3; i++) since = (await sync(client, { since })).next_batch;
  return since!;
}

describe('a sync that has nothing to tell', () => {
  it('ends where it began', async () => {
    const { client, since } = await settled();
    const answer = await sync(client, { since });
    expect(answer).toEqual({ next_batch: since, device_one_time_keys_count: { signed_curve25519: 0 }, device_unused_fallback_key_types: [] });
    expect(await sync(client, { since, timeout: 1 })).toEqual(answer);
  });

  it('tells of keys that were uploaded since', async () => {
    const { client, since } = await settled();
    await TestDeviceKeys.upload(client, 3);
    expect((await sync(client, { since: await settle(client, since) })).device_one_time_keys_count).toEqual({ signed_curve25519: 3 });
  });

  it('is over with the first message to the device, which is told once', async () => {
    const { client, since } = await settled();
    await client.request('PUT', '/v3/sendToDevice/org.example.test/1', { messages: { [client.userId]: { [client.deviceId]: { body: 'x' } } } });
    const answer = await sync(client, { since });
    expect(answer.to_device.events).toHaveLength(1);
    // Whoever did not get the answer asks again.
    expect((await sync(client, { since })).to_device.events).toHaveLength(1);
    expect((await sync(client, { since: answer.next_batch })).to_device).toBeUndefined();
    expect((await sync(client, { since: await settle(client, answer.next_batch) })).to_device).toBeUndefined();
  });

  it('is over with the first message in a room', async () => {
    const { client, since } = await settled();
    const roomId = await createRoom(client, { preset: 'public_chat' });
    const bob = await settled();
    await join(bob.client, roomId);
    const from = await settle(client, since);
    await say(bob.client, roomId, 'news');
    expect(bodies((await sync(client, { since: from })).rooms.join[roomId])).toEqual(['news']);
  });

  it('is good for every session of the account, and not with every filter', async () => {
    const { client, since } = await settled();
    const other = await net.client().login(client.userId.slice(1).split(':')[0]!);
    expect((await sync(other, { since })).rooms).toBeUndefined();
    for (const unusable of ['{', 'nobody-has-it', filter({ room: 1 })]) {
      expect(await client.raw('GET', '/v3/sync', undefined, { query: { since, filter: unusable } })).toMatchObject({ status: 400 });
    }
    expect(await sync(client, { since, filter: filter({ room: { timeline: { limit: 1 } } }) })).toMatchObject({ next_batch: since });
  });

  it('is refused when the session has ended', async () => {
    const { client, since } = await settled();
    await sync(client, { since });
    await client.request('POST', '/v3/logout', {});
    expect(await client.raw('GET', '/v3/sync', undefined, { query: { since } })).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN' } });
  });
});
