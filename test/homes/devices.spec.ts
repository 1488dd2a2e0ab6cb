import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { sync, TestCrossSigning, TestDeviceKeys } from '../integration/test-keys.js';
import { RoutedPerson } from './routed-person.js';
import { createRoom, isCaughtUp, isIn, join, reads, say, roomPath, settles } from './talk.js';

const DEVICE = 'PHONE';
const ALGORITHM = 'signed_curve25519';

let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
let bob: TestClient;
let count = 0;

beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  bob = await net.client(c).register('bob');
});
afterAll(() => net.stop());

/** Somebody at A and B, with one device that is logged in at both, and in a room with Bob. */
async function atBoth(): Promise<Person> {
  const alice = await Person.named(`alice${++count}`, a);
  await alice.addHome(b);
  for (const server of [a, b]) await alice.login(server, DEVICE);
  // C gets to know the homes from a room.
  await join(bob, await createRoom(alice.at(a)), a);
  return alice;
}

/** The name and key that a claim yields for a device, or undefined. */
async function claim(client: TestClient, userId: string, deviceId = DEVICE): Promise<[string, Json] | undefined> {
  const answer = await client.request('POST', '/v3/keys/claim', { one_time_keys: { [userId]: { [deviceId]: ALGORITHM } } });
  return Object.entries(answer.one_time_keys[userId]?.[deviceId] ?? {})[0] as [string, Json] | undefined;
}

const sendToDevice = (userId: string, deviceId: string, n: number): Promise<Json> =>
  bob.request('PUT', `/v3/sendToDevice/org.example.test/${bob.nextTxn()}`, { messages: { [userId]: { [deviceId]: { n } } } });
const numbers = (answer: Json): number[] =>
  (answer.to_device?.events ?? []).filter((event: Json) => event.type === 'org.example.test').map((event: Json) => event.content.n);

describe('one-time keys', () => {
  it('are given out once each, whichever home is asked, and then the same fallback key by all', async () => {
    const alice = await atBoth();
    const device = await TestDeviceKeys.upload(alice.at(a));
    await alice.at(a).request('POST', '/v3/keys/upload', { one_time_keys: device.oneTimeKeys(5, 'a'), fallback_keys: device.oneTimeKeys(1, 'fallback') });
    await alice.at(b).request('POST', '/v3/keys/upload', { one_time_keys: device.oneTimeKeys(5, 'b') });
    await isCaughtUp(alice, a, b);
    expect((await sync(alice.at(a))).device_one_time_keys_count[ALGORITHM]).toBe(5);
    expect((await sync(alice.at(b))).device_one_time_keys_count[ALGORITHM]).toBe(5);
    const [nextToA, nextToB] = [await net.client(a).register(`near.a${count}`), await net.client(b).register(`near.b${count}`)];
    const claims = await Promise.all([nextToA, nextToB, bob, nextToA, nextToB, nextToB].map((client) => claim(client, alice.userId)));
    await a.stop();
    try {
      // A is away: B goes on with its own.
      for (let i = 0; i < 3; i++) claims.push(await claim(bob, alice.userId));
    } finally {
      await a.start();
    }
    for (const client of [nextToA, nextToB]) for (let i = 0; i < 4; i++) claims.push(await claim(client, alice.userId));
    const names = claims.map((given) => given![0]);
    const fallback = `${ALGORITHM}:fallback0`;
    const oneTime = names.filter((name) => name !== fallback);
    expect(oneTime.toSorted()).toEqual(['a', 'b'].flatMap((batch) => [0, 1, 2, 3, 4].map((i) => `${ALGORITHM}:${batch}${i}`)));
    const last = await Promise.all([nextToA, nextToB, bob].map((client) => claim(client, alice.userId)));
    expect(last[0]![0]).toBe(fallback);
    expect(last).toEqual([last[0], last[0], last[0]]);
  });
});

describe('messages to devices', () => {
  it('arrive once at a device that moves from home to home, and are gone everywhere once received', async () => {
    const alice = await atBoth();
    for (const n of [1, 2, 3]) await sendToDevice(alice.userId, DEVICE, n);
    await settles(async () => expect(numbers(await sync(alice.at(a)))).toEqual([1, 2, 3]));
    const first = await sync(alice.at(a));
    await sync(alice.at(a), first.next_batch);
    await isCaughtUp(alice, a, b);
    for (const n of [4, 5]) await sendToDevice(alice.userId, DEVICE, n);
    await settles(async () => expect(numbers(await sync(alice.at(b)))).toEqual([4, 5]));
    await a.stop();
    await sendToDevice(alice.userId, DEVICE, 6);
    await settles(async () => expect(numbers(await sync(alice.at(b)))).toEqual([4, 5, 6]));
    const atB = await sync(alice.at(b));
    await sync(alice.at(b), atB.next_batch);
    await a.start();
    await isCaughtUp(alice, b, a);
    // A gets the sixth from Bob's server only now, after it was received at B. The seventh comes behind it.
    await sendToDevice(alice.userId, DEVICE, 7);
    await settles(async () => expect(numbers(await sync(alice.at(a)))).toEqual([7]));
    await settles(async () => expect(numbers(await sync(alice.at(b)))).toEqual([7]));
  });

  it('are shown once by a client whose home dies before it could tell what it received', async () => {
    const alice = await atBoth();
    const phone = await RoutedPerson.enter(alice, [a, b], DEVICE);
    try {
      let { next_batch: since } = await phone.sync();
      const shown: number[] = [];
      const hears = (until: number) => settles(async () => {
        const answer = await phone.sync(since, 1_000);
        since = answer.next_batch;
        shown.push(...numbers(answer));
        expect(shown).toContain(until);
      }, 30_000);
      for (const n of [1, 2]) await sendToDevice(alice.userId, DEVICE, n);
      await hears(2);
      await a.crash();
      for (const n of [3, 4]) await sendToDevice(alice.userId, DEVICE, n);
      await hears(4);
      await a.start();
      await sendToDevice(alice.userId, DEVICE, 5);
      await hears(5);
      await phone.sync(since);
      expect(shown.toSorted()).toEqual([1, 2, 3, 4, 5]);
    } finally {
      phone.leave();
      await a.start();
    }
  });
});

describe('two devices at homes that are not the same', () => {
  let alice: Person;
  let laptop: TestClient;
  let phone: TestClient;
  let roomId: string;

  beforeAll(async () => {
    alice = await Person.named('split', a);
    await alice.addHome(b);
    laptop = await alice.login(a, 'LAPTOP');
    phone = await alice.login(b, 'PHONE');
    roomId = await createRoom(laptop);
    await join(bob, roomId, a);
    await isIn(phone, roomId);
  });

  const keysOf = async (client: TestClient): Promise<Json> =>
    client.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] } });

  it('have each other\'s keys, and others have both', async () => {
    const { next_batch: before } = await sync(bob);
    const devices = [await TestDeviceKeys.upload(laptop, 3), await TestDeviceKeys.upload(phone, 3)];
    const crossSigning = new TestCrossSigning(alice.userId);
    await laptop.request('POST', '/v3/keys/device_signing/upload', crossSigning.body());
    await settles(async () => expect(Object.keys((await keysOf(laptop)).device_keys[alice.userId])).toContain('PHONE'));
    const signed = Object.fromEntries(devices.map(({ deviceId, keys }) => [deviceId, crossSigning.signDevice(keys)]));
    expect(await laptop.request('POST', '/v3/keys/signatures/upload', { [alice.userId]: signed })).toEqual({ failures: {} });
    for (const client of [laptop, phone, bob]) {
      await settles(async () => {
        const { device_keys: { [alice.userId]: keys }, master_keys: masters } = await keysOf(client);
        expect(masters[alice.userId].keys).toEqual(crossSigning.body().master_key.keys);
        for (const { deviceId, keys: own } of devices) {
          expect(keys[deviceId].keys).toEqual(own['keys']);
          expect(Object.keys(keys[deviceId].signatures[alice.userId]).toSorted()).toEqual([`ed25519:${deviceId}`, crossSigning.selfSigningKeyId].toSorted());
        }
      });
    }
    // The keys may have been asked for before the change was told.
    await settles(async () => expect((await sync(bob, before)).device_lists?.changed).toContain(alice.userId));
  });

  it('can be written to, by others and by each other', async () => {
    for (const [client, deviceId] of [[bob, 'LAPTOP'], [bob, 'PHONE'], [laptop, 'PHONE'], [phone, 'LAPTOP']] as const) {
      expect((await claim(client, alice.userId, deviceId))?.[0]).toMatch(/^signed_curve25519:k\d$/);
    }
    await bob.request('PUT', `/v3/sendToDevice/org.example.test/${bob.nextTxn()}`, { messages: { [alice.userId]: { LAPTOP: { n: 1 }, PHONE: { n: 2 } } } });
    await laptop.request('PUT', `/v3/sendToDevice/org.example.test/${laptop.nextTxn()}`, { messages: { [alice.userId]: { PHONE: { n: 3 } } } });
    await phone.request('PUT', `/v3/sendToDevice/org.example.test/${phone.nextTxn()}`, { messages: { [alice.userId]: { LAPTOP: { n: 4 } } } });
    for (const [client, expected] of [[laptop, [1, 4]], [phone, [2, 3]]] as const) {
      await settles(async () => expect(numbers(await sync(client)).toSorted()).toEqual(expected));
    }
  });

  it('see the same devices, data and read markers', async () => {
    for (const [writer, reader, from] of [[laptop, phone, 'laptop'], [phone, laptop, 'phone']] as const) {
      const path = `/v3/user/${encodeURIComponent(alice.userId)}/account_data/org.example.${from}`;
      await writer.request('PUT', path, { from });
      await settles(async () => expect(await reader.request('GET', path)).toEqual({ from }));
    }
    for (const client of [laptop, phone]) {
      const ids = async () => (await client.request('GET', '/v3/devices')).devices.map((device: Json) => device.device_id);
      await settles(async () => expect(await ids()).toEqual(expect.arrayContaining(['LAPTOP', 'PHONE'])));
    }
    const [first, second] = [await say(bob, roomId, 'first'), await say(bob, roomId, 'second')];
    for (const client of [laptop, phone]) await reads(client, roomId, 'first', 'second');
    const mark = (client: TestClient, eventId: string) => client.request('POST', `${roomPath(roomId)}/read_markers`, { 'm.fully_read': eventId, 'm.read.private': eventId });
    const markerOf = async (client: TestClient) =>
      (await client.request('GET', `/v3/user/${encodeURIComponent(alice.userId)}/rooms/${encodeURIComponent(roomId)}/account_data/m.fully_read`)).event_id;
    const privatelyRead = async (client: TestClient): Promise<string[]> => {
      const events: Json[] = (await sync(client)).rooms.join[roomId].ephemeral.events;
      const receipts: Json = events.find((event) => event.type === 'm.receipt')?.content ?? {};
      return Object.keys(receipts).filter((id) => receipts[id]['m.read.private']?.[alice.userId] !== undefined);
    };
    await mark(phone, second);
    await settles(async () => expect(await markerOf(laptop)).toBe(second));
    await settles(async () => expect(await privatelyRead(laptop)).toEqual([second]));
    // The laptop is behind; its older mark does not put the phone back.
    await mark(laptop, first);
    await isCaughtUp(alice, a, b);
    for (const client of [phone, laptop]) {
      expect(await markerOf(client)).toBe(second);
      expect(await privatelyRead(client)).toEqual([second]);
    }
  });

  it('and a third one at a home that comes later have the read markers of before', async () => {
    // C has not been in this room: its copy of the account is there before the room is.
    const quiet = await createRoom(laptop);
    const carol = await net.client(a).register('carol');
    await join(carol, quiet, a);
    const last = await say(carol, quiet, 'read before');
    await laptop.request('POST', `${roomPath(quiet)}/read_markers`, { 'm.fully_read': last, 'm.read.private': last });
    const atC = await alice.addHome(c, { through: a });
    await isIn(atC, quiet);
    await settles(async () => {
      const mine = (await sync(atC)).rooms.join[quiet];
      expect(mine.account_data.events).toContainEqual({ type: 'm.fully_read', content: { event_id: last } });
      expect(mine.ephemeral.events.some((event: Json) => event.content[last]?.['m.read.private']?.[alice.userId])).toBe(true);
      expect(mine.unread_notifications.notification_count).toBe(0);
    });
    await alice.publish(alice.next({ drop: [c.name] }), a);
  });

  it('lose the device that is removed at either', async () => {
    await TestDeviceKeys.upload(await alice.login(b, 'TABLET'));
    await settles(async () => expect(Object.keys((await keysOf(laptop)).device_keys[alice.userId])).toContain('TABLET'));
    const tablet = alice.at(b);
    await tablet.request('POST', '/v3/logout');
    for (const client of [laptop, phone, bob]) {
      await settles(async () => expect(Object.keys((await keysOf(client)).device_keys[alice.userId]).toSorted()).toEqual(['LAPTOP', 'PHONE']));
    }
  });
});

describe('the master key', () => {
  it('is the one that the record names, at every home', async () => {
    const alice = await atBoth();
    const crossSigning = new TestCrossSigning(alice.userId);
    await alice.publish(alice.next({ masterKey: crossSigning.masterPublicKey }), a);
    const path = '/v3/keys/device_signing/upload';
    const seqAt = async (server: TestServer) => (await alice.at(server).request('GET', '/unstable/io.partyline/account/record')).seq;
    await settles(async () => expect(await seqAt(b)).toBe(alice.record.seq));
    for (const server of [a, b]) await alice.at(server).expectError(403, 'M_FORBIDDEN', 'POST', path, new TestCrossSigning(alice.userId).body());
    await alice.at(b).request('POST', path, crossSigning.body());
    for (const client of [alice.at(a), bob]) {
      await settles(async () => {
        const { master_keys: masters } = await client.request('POST', '/v3/keys/query', { device_keys: { [alice.userId]: [] } });
        expect(masters[alice.userId]?.keys).toEqual(crossSigning.body().master_key.keys);
      });
    }
  });
});
