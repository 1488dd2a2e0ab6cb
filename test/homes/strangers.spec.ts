import { loginProofText, nextHomeRecord } from '#e2e';
import type { HomeEntry, HomeRecord } from '#federation';
import { DomainSilence } from '../../apps/homeserver/src/homes/records/domain-silence.js';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { Impostor } from '../hostile/impostor.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import { TestClient } from '../network/test-client.js';
import { TravellingClock } from '../network/travelling-clock.js';
import { LinkedNetwork } from './linked-network.js';
import { createRoom, isIn, join, reads, say, settles, state } from './talk.js';

// An emergency home that has never had to do with the dead domain of an account (protocol §2, "Proof, the door, outside rooms").
const DAY = 24 * 3_600_000;

const status = async (client: TestClient, method: string, path: string, body: object): Promise<number> => (await client.raw(method, path, body)).status;

it('takes an account in after seven days at the word of a server that let it into a room', async () => {
  const clock = new TravellingClock();
  const net = await Network.start({ servers: ['a', 'b'], clock });
  try {
    const [a, b] = [net.server('a'), net.server('b')];
    const bob = await net.client(b).register('bob');
    const roomId = await createRoom(bob);
    const alice = await Person.named('alice', a);
    await join(alice.at(a), roomId, b);
    // What the room shows of her now is another event than the one by which she was let in.
    await alice.at(a).request('PUT', `/v3/profile/${encodeURIComponent(alice.userId)}/displayname`, { displayname: 'Alice' });
    await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).displayname).toBe('Alice'));
    await a.stop();
    const c = await net.add('c');
    await expect(alice.offer(c)).rejects.toThrow('502');
    clock.aheadMs += 6 * DAY;
    await expect(alice.offer(c)).rejects.toThrow('502');
    clock.aheadMs += 2 * DAY;
    const record = alice.next({ add: [await alice.offer(c)], drop: [a.name] });
    const put = async (rooms: Record<string, string[]>): Promise<number> =>
      status(new TestClient(c), 'PUT', `${homesPath}/account/record`, { record, rooms, ...(await alice.proof(c)) });
    expect(await put({})).toBe(502);
    expect(await put({ [roomId]: [a.name, b.name] })).toBe(200);
    alice.record = record;
    await isIn(await alice.login(c), roomId);
    await say(alice.at(c), roomId, 'from where nobody knew me');
    await reads(bob, roomId, 'from where nobody knew me');
    await c.crash();
    await c.start();
    await say(bob, roomId, 'still there?');
    await reads(alice.at(c), roomId, 'still there?');
    expect(await c.get(HomeRecords).followed(alice.userId)).toEqual(record);
  } finally {
    await net.stop();
  }
}, 120_000);

it('takes nobody in for whom only his own servers speak', async () => {
  const clock = new TravellingClock();
  const net = await Network.start({ servers: ['b'], clock });
  const home = await HostileServer.start();
  try {
    const b = net.server('b');
    home.keyLifetimeMs = 300 * DAY;
    const thief = new Impostor('@someone:localhost:1', home);
    const attach = async (): Promise<{ status: number; body: Record<string, unknown> }> => {
      const { nonce, signature } = await proofOf(thief, b);
      return new TestClient(b).raw('POST', `${homesPath}/account/attach`, { user_id: thief.userId, record: thief.record, nonce, signature });
    };
    expect((await attach()).status).toBe(502);
    await b.get(DomainSilence).askAgain();
    clock.aheadMs += 8 * DAY;
    const offered = await attach();
    expect(offered.status).toBe(200);
    // His server shows whatever it likes, but nobody else's word.
    home.on(/attach/, () => ({ room_version: 'io.partyline.1', ends: [], servers: [], admissions: [{}, null, { type: 'm.room.member' }] }));
    const record = nextOf(thief, offered.body);
    const rooms = { [`!${'R'.repeat(43)}`]: [home.name] };
    expect(await status(new TestClient(b), 'PUT', `${homesPath}/account/record`, { record, rooms })).toBe(502);
    expect(home.requests.some(({ path }) => path.includes('/attach/'))).toBe(true);
    expect(await b.get(HomeRecords).get(thief.userId)).toBeUndefined();
  } finally {
    home.hangUp();
    await home.stop();
    await net.stop();
  }
}, 60_000);

it('takes an account in at once where a notary that its operator trusts has the keys of the domain', async () => {
  const linked = await LinkedNetwork.start(['a', 'b', 'c', 'd'], { c: { notaries: ['d.test', 'b.test'] } });
  try {
    const [a, b, c, d] = linked.servers as [typeof linked.servers[0], typeof linked.servers[0], typeof linked.servers[0], typeof linked.servers[0]];
    const alice = await Person.named('alice', a);
    await b.get(KeyRing).listed(a.name);
    await a.stop();
    await expect(alice.offer(d)).rejects.toThrow('502');
    const record = alice.next({ add: [await alice.offer(c)], drop: [a.name] });
    await alice.publish(record, c);
    await alice.login(c);
    expect(await c.get(HomeRecords).pin(alice.userId)).toMatchObject({ isEndorsed: true });
    // Its word makes nobody the sender of a request.
    expect(await c.get(KeyRing).publicKey(a.name, Object.keys(alice.record.endorsement ?? {})[0]!)).toBeUndefined();
  } finally {
    await linked.stop();
  }
}, 60_000);

async function proofOf(thief: Impostor, server: TestClient['server']): Promise<{ nonce: string; signature: string }> {
  const { nonce } = await new TestClient(server).request('GET', `${homesPath}/login/nonce`);
  return { nonce, signature: thief.key.sign(loginProofText(nonce, thief.userId, server.name)) };
}

function nextOf(thief: Impostor, body: Record<string, unknown>): HomeRecord {
  return nextHomeRecord(thief.record, { add: [body as unknown as HomeEntry] }, thief.key);
}
