import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { sync } from './test-keys.js';

describe('messages to devices', () => {
  let net: Network;
  let alice: TestClient;
  let bob: TestClient;
  let count = 0;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
  });
  beforeEach(async () => {
    count++;
    alice = await net.client().register(`alice${count}`);
    bob = await net.client().register(`bob${count}`);
  });
  afterAll(() => net.stop());

  const send = (messages: Json, txn = alice.nextTxn(), type = 'org.example.test'): Promise<Json> =>
    alice.request('PUT', `/v3/sendToDevice/${type}/${txn}`, { messages });

  it('arrive at their device until it has acknowledged them', async () => {
    const second = await net.client().login(`bob${count}`);
    const { next_batch: since } = await sync(bob);
    const waiting = sync(bob, since, 20_000);
    await send({ [bob.userId]: { [bob.deviceId]: { n: 1 } } });
    const first = await waiting;
    const expected = [{ sender: alice.userId, type: 'org.example.test', content: { n: 1 } }];
    expect(first.to_device.events).toEqual(expected);
    expect((await sync(bob, since)).to_device.events).toEqual(expected);
    expect((await sync(bob, first.next_batch)).to_device?.events ?? []).toEqual([]);
    // Acknowledged: gone even for who goes back.
    expect((await sync(bob, since)).to_device?.events ?? []).toEqual([]);
    expect((await sync(second)).to_device?.events ?? []).toEqual([]);
  });

  it('to * arrive at all devices; those to devices that do not exist nowhere', async () => {
    const second = await net.client().login(`bob${count}`);
    await send({ [bob.userId]: { '*': { all: true }, NOWHERE: { lost: true } } });
    for (const device of [bob, second]) {
      expect((await sync(device)).to_device.events.map((event: Json) => event.content)).toEqual([{ all: true }]);
    }
    const later = await net.client().login(`bob${count}`, undefined, { device_id: 'NOWHERE' });
    expect((await sync(later)).to_device?.events ?? []).toEqual([]);
  });

  it('are sent once, however often the request is made, also after they were received', async () => {
    const messages = { [bob.userId]: { [bob.deviceId]: { n: 1 } } };
    await send(messages, 'same');
    await send(messages, 'same');
    const first = await sync(bob);
    expect(first.to_device.events).toHaveLength(1);
    await sync(bob, first.next_batch);
    await send(messages, 'same');
    await send(messages, 'other');
    expect((await sync(bob, first.next_batch)).to_device.events).toHaveLength(1);
    // Another session of the same device may use the same transaction ids.
    const again = await net.client().login(`alice${count}`, undefined, { device_id: alice.deviceId });
    await again.request('PUT', '/v3/sendToDevice/org.example.test/same', { messages });
    expect((await sync(bob, first.next_batch)).to_device.events).toHaveLength(2);
  });

  it('come in order and in pages', async () => {
    for (let i = 0; i < 105; i++) await send({ [bob.userId]: { [bob.deviceId]: { i } } });
    const first = await sync(bob);
    const second = await sync(bob, first.next_batch);
    const numbers = [...first.to_device.events, ...second.to_device.events].map((event: Json) => event.content.i);
    expect(first.to_device.events.length).toBe(100);
    expect(numbers).toEqual(Array.from({ length: 105 }, (_, i) => i));
  });

  it('survive a crash of the server', async () => {
    await send({ [bob.userId]: { [bob.deviceId]: { n: 1 } } });
    await net.server('a').crash();
    await net.server('a').start();
    expect((await sync(bob)).to_device.events).toHaveLength(1);
  });

  it('refuse what is malformed or too large', async () => {
    const path = '/v3/sendToDevice/org.example.test/x';
    await alice.expectError(400, 'M_MISSING_PARAM', 'PUT', path, {});
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', path, { messages: { [bob.userId]: { [bob.deviceId]: 'text' } } });
    await alice.expectError(400, 'M_BAD_JSON', 'PUT', path, { messages: { nonsense: {} } });
    await alice.expectError(413, 'M_TOO_LARGE', 'PUT', path, { messages: { [bob.userId]: { [bob.deviceId]: { x: 'x'.repeat(70_000) } } } });
    expect((await sync(bob)).to_device?.events ?? []).toEqual([]);
  });
});
