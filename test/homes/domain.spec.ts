import { randomBytes } from 'node:crypto';
import { accountKey, firstHomeRecord, genesis } from '#e2e';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import { FederationClient, federationPath } from '../../apps/homeserver/src/federation/federation-client.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, reads, roomPath, say, settles, state, texts } from './talk.js';

const recordPath = '/_matrix/federation/unstable/io.partyline/record';

describe('a domain that has got another owner', () => {
  let net: Network;
  let b: TestServer;
  let c: TestServer;
  /** The new owner's server: the name and address of A, none of its data and keys. */
  let taken: TestServer;
  let alice: Person;
  let bob: TestClient;
  let mallory: TestClient;
  let roomId: string;

  beforeAll(async () => {
    net = await Network.start({ servers: ['a', 'b', 'c'] });
    const [a] = net.servers as [TestServer];
    [b, c] = [net.server('b'), net.server('c')];
    alice = await Person.named('alice', a);
    bob = await net.client(c).register('bob');
    roomId = await createRoom(alice.at(a));
    await join(bob, roomId, a);
    await isIn(await alice.addHome(b, { through: a }), roomId);
    await say(alice.at(b), roomId, 'before');
    await reads(bob, roomId, 'before');
    await a.stop();
    taken = await net.add('taken', { serverName: a.name, httpsPort: a.config.httpsPort });
    // A server asks for another's keys every ten seconds at most; nobody needs to wait for that here.
    await Promise.all([b.restart(), c.restart()]);
    mallory = await net.client(taken).register('alice');
    expect(mallory.userId).toBe(alice.userId);
  });
  afterAll(() => net.stop());

  const knownAt = async (server: TestServer): Promise<Json> => (await server.get(HomeRecords).get(alice.userId))?.genesis;
  const give = (to: TestServer, record: object): Promise<Json> =>
    taken.get(FederationClient).request({ destination: to.name, method: 'POST', path: recordPath, body: record });

  it('leaves the account and its rooms to the homes that it has', async () => {
    await say(alice.at(b), roomId, 'still here');
    await reads(bob, roomId, 'still here');
    await say(bob, roomId, 'I see you');
    await reads(alice.at(b), roomId, 'I see you');
    await alice.login(b, 'ANOTHER');
    expect(await knownAt(b)).toEqual(alice.record.genesis);
  });

  it('cannot give the name to somebody else, though it vouches for it', async () => {
    // The new server's own record of the name, endorsed by the new key.
    const own = await mallory.request('GET', `${homesPath}/account/record`);
    expect(own.genesis).not.toEqual(alice.record.genesis);
    const key = accountKey(randomBytes(32));
    const founding = genesis({ label: 'alice', serverName: taken.name, recoveryKey: key.publicKey, accountKey: key.publicKey, createdTs: alice.record.genesis.created_ts });
    const second = firstHomeRecord({ userId: alice.userId, genesis: founding, homes: own.homes, endorsement: own.endorsement }, key);
    for (const server of [b, c]) {
      for (const record of [own, second]) {
        await expect(give(server, record)).rejects.toMatchObject({ remoteStatus: 403 });
        const answer = await net.client(server).raw('PUT', `${homesPath}/account/record`, { record });
        expect(answer).toMatchObject({ status: 403, body: { errcode: 'M_FORBIDDEN' } });
      }
      expect(await knownAt(server)).toEqual(alice.record.genesis);
    }
  });

  it('does not get into the rooms by the name', async () => {
    await expect(join(mallory, roomId, c)).rejects.toThrow(/40[0-9]|50[0-9]/);
    const member = await state(bob, roomId, 'm.room.member', alice.userId);
    expect(member).toMatchObject({ membership: 'join', home_record: { genesis: alice.record.genesis } });
    await mallory.raw('PUT', `${roomPath(roomId)}/send/m.room.message/1`, { body: 'I am Alice', msgtype: 'm.text' });
    expect(await texts(bob, roomId)).not.toContain('I am Alice');
  });

  it('is no home any more when the account says so, and hears nothing from then on', async () => {
    await alice.publish(alice.next({ drop: [taken.name] }), b);
    await settles(async () => expect((await state(bob, roomId, 'm.room.member', alice.userId)).home_record).toEqual(alice.record));
    await say(bob, roomId, 'among us');
    await reads(alice.at(b), roomId, 'among us');
    const reach = await bob.request('GET', `${homesPath}/rooms/${encodeURIComponent(roomId)}/reach`);
    expect(Object.keys(reach.replicas)).toEqual([b.name]);
    const ask = (method: 'GET' | 'POST', path: string, body?: object) => taken.get(FederationClient).request({ destination: b.name, method, path, body });
    await expect(ask('GET', federationPath`/_matrix/federation/unstable/io.partyline/account/${alice.userId}/snapshot`)).rejects.toMatchObject({ remoteStatus: 403 });
    const copy = ask('POST', federationPath`/_matrix/federation/unstable/io.partyline/attach/${roomId}`, { user_id: alice.userId });
    await expect(copy).rejects.toMatchObject({ remoteStatus: 403 });
  });
});
