import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { DomainSilence } from '../../apps/homeserver/src/homes/records/domain-silence.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { HomeRecords } from '../../apps/homeserver/src/homes/records/home-records.js';
import {
  admittedInput, buildEvent, endorsementInput, genesisHash, roomVersion, signingKeyFromSeed, signJson, withAdmitted, type RoomEvent,
} from '../../libs/federation/src/index.js';
import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer, wire } from '../hostile/hostile-server.js';
import { Impostor } from '../hostile/impostor.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HeldClock, TravellingClock } from '../network/travelling-clock.js';
import { createRoom } from './talk.js';

const DAY = 24 * 3_600_000;
const RECORD = '/_matrix/federation/unstable/io.partyline/record';

// A domain that nobody here has ever had to do with, and that does not answer (protocol §2, "Proof, the door, outside rooms").
describe('people of a domain that is silent', () => {
  const clock = new TravellingClock();
  let net: Network;
  let a: TestServer;
  let home: HostileServer;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'], clock });
    a = net.server('a');
    home = await HostileServer.start();
    home.keyLifetimeMs = 300 * DAY;
  });
  afterAll(async () => {
    await home?.stop();
    await net?.stop();
  });

  it('come into public rooms after seven days, are shown as unproven, and direct nothing', async () => {
    const alice = await net.client(a).register('alice');
    const [open, closed] = [await createRoom(alice), await createRoom(alice, { preset: 'private_chat' })];
    const stranger = new Impostor('@someone:localhost:1', home);
    await alice.raw('POST', `/v3/rooms/${encodeURIComponent(closed)}/invite`, { user_id: stranger.userId });
    const enter = (roomId: string): Promise<string> => HostileRoom.join(home, a, roomId, stranger.userId, stranger.inRooms).then(() => 'in', (error: Error) => /: (\d+) /.exec(error.message)?.[1] ?? error.message);
    expect(await enter(open)).toBe('502');
    clock.aheadMs += 6 * DAY;
    expect(await enter(open)).toBe('502');
    clock.aheadMs += 2 * DAY;
    expect(await enter(open)).toBe('in');
    expect(await enter(closed)).not.toBe('in');
    const shown: Json = await alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(open)}/names`);
    expect(shown.names).toEqual({ [stranger.userId]: { genesis_sha256: genesisHash(stranger.genesis), proof: 'unproven' } });
    expect(await a.get(AccountServers).of(stranger.userId)).toEqual(['localhost:1']);
    await home.expectError(404, 'M_NOT_FOUND', a, 'GET', `${RECORD}/${encodeURIComponent(stranger.userId)}`);
  });

  it('whose domain answered in between have not been silent, whoever asked twice in vain', async () => {
    const b = await net.add('b');
    await b.stop();
    try {
      const roomId = await createRoom(await net.client(a).register('alina'));
      const stranger = new Impostor(`@someone:${b.name}`, home);
      const enter = (): Promise<HostileRoom | Error> => HostileRoom.join(home, a, roomId, stranger.userId, stranger.inRooms).catch((error: Error) => error);
      expect(String(await enter())).toContain('502');
      await b.start();
      await a.get(DomainSilence).askAgain();
      await b.stop();
      clock.aheadMs += 8 * DAY;
      expect(String(await enter())).toContain('502');
    } finally {
      await b.start();
    }
  });

  it('are not vouched for by their own homes, however old these say that their word is', async () => {
    const d = await net.add('d');
    await d.stop();
    const alice = await net.client(a).register('alva');
    const roomId = await createRoom(alice);
    const stranger = new Impostor(`@someone:${d.name}`, home, (of) => ({ endorsement: { [madeUp.keyId]: madeUp.sign(endorsementInput(of)) } }));
    const join = (): Promise<number> => enterAttested(a, home, home, roomId, stranger, clock.now(), 1);
    expect(await join()).toBe(502);
    clock.aheadMs += 8 * DAY;
    expect(await join()).toBe(200);
    clock.aheadMs += 60_000;
    const { names } = await alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(roomId)}/names`);
    expect(names[stranger.userId]).toMatchObject({ proof: 'unproven' });
    expect(await a.get(AccountServers).of(stranger.userId)).toEqual([d.name]);
  });

  it('are not vouched for by a key that their domain had retired, which others may have', async () => {
    const [domain, witness] = await Promise.all([HostileServer.start(), HostileServer.start()]);
    for (const server of [domain, witness]) server.keyLifetimeMs = 300 * DAY;
    try {
      const stolen = domain.key;
      domain.rotate();
      await a.get(KeyRing).listed(domain.name);
      domain.hangUp();
      await domain.stop();
      const alice = await net.client(a).register('alfa');
      const roomId = await createRoom(alice);
      const stranger = new Impostor(domain.user('someone'), home, (of) => ({ endorsement: { [stolen.keyId]: stolen.sign(endorsementInput(of)) } }));
      const join = (): Promise<number> => enterAttested(a, home, witness, roomId, stranger, clock.now(), 1, stolen);
      expect(await join()).toBe(502);
      clock.aheadMs += 8 * DAY;
      expect(await join()).toBe(200);
      clock.aheadMs += 60_000;
      const { names } = await alice.request('GET', `/unstable/io.partyline/rooms/${encodeURIComponent(roomId)}/names`);
      expect(names[stranger.userId]).toMatchObject({ proof: 'unproven' });
      expect(await a.get(AccountServers).of(stranger.userId)).toEqual([domain.name]);
    } finally {
      await witness.stop();
    }
  });

  it('lead to their domain again as soon as it answers', async () => {
    const c = await net.add('c');
    await c.stop();
    const witness = await HostileServer.start();
    witness.keyLifetimeMs = 300 * DAY;
    try {
      const alice = await net.client(a).register('alma');
      const roomId = await createRoom(alice);
      const stranger = new Impostor(`@someone:${c.name}`, home, (of) => ({ endorsement: { [madeUp.keyId]: madeUp.sign(endorsementInput(of)) } }));
      const join = (): Promise<number> => enterAttested(a, home, witness, roomId, stranger, clock.now());
      expect(await join()).toBe(502);
      clock.aheadMs += 8 * DAY;
      expect(await join()).toBe(200);
      // What was found before he came is looked at again.
      clock.aheadMs += 60_000;
      const servers = (): Promise<readonly string[]> => a.get(AccountServers).of(stranger.userId);
      // Nobody else knows of him, and he is vouched for.
      await eventually(async () => (await servers()).includes(home.name));
      await c.start();
      await a.get(DomainSilence).askAgain();
      expect(await servers()).toEqual([c.name]);
    } finally {
      await witness.stop();
    }
  });
});

/** Enters by a join that carries the word of a server. @returns the status of `send_join` */
async function enterAttested(
  resident: TestServer, home: HostileServer, witness: HostileServer, roomId: string, stranger: Impostor, now: number, ts?: number, key = madeUp,
): Promise<number> {
  const uri = `/_matrix/federation/v1/make_join/${encodeURIComponent(roomId)}/${encodeURIComponent(stranger.userId)}?ver=io.partyline.1`;
  const { event } = await home.request(resident, 'GET', uri);
  const { content, signer } = stranger.inRooms;
  const made = buildEvent({ ...event, home: home.name, content: { membership: 'join', ...content }, origin_server_ts: now }, roomVersion('io.partyline.1')!, signer);
  const joined = attestedBy(witness, stranger, made, ts, key);
  return (await home.raw(resident, 'PUT', `/_matrix/federation/v2/send_join/${encodeURIComponent(roomId)}/${encodeURIComponent(joined.eventId)}`, wire(joined))).status;
}

const madeUp = signingKeyFromSeed('ed25519:made_up', Buffer.alloc(32, 7));

/** The member event with the word of another server, which makes up a key of the domain. */
function attestedBy(witness: HostileServer, { userId, genesis }: Impostor, event: RoomEvent, ts = Date.now(), key = madeUp): RoomEvent {
  const domain = userId.slice(userId.indexOf(':') + 1);
  const keys = signJson({ server_name: domain, verify_keys: { [key.keyId]: { key: key.publicKey } }, old_verify_keys: {}, valid_until_ts: Date.now() + 1e6 }, domain, key);
  const about = { server_name: witness.name, ts, keys };
  const signature = witness.key.sign(admittedInput(event, genesisHash(genesis), about));
  return withAdmitted(event, { ...about, signatures: { [witness.name]: { [witness.key.keyId]: signature } } }, roomVersion('io.partyline.1')!);
}

describe('records of strangers', () => {
  it('do not fill a measure that all clients share', async () => {
    const net = await Network.start({ servers: ['a'], config: { rateLimits: true }, clock: new HeldClock() });
    const evil = await HostileServer.start();
    try {
      const a = net.server('a');
      // As from a hundred addresses.
      for (let i = 0; i < 100; i++) await a.get(HomeRecords).accept(new HostilePerson(`f${i}`, evil).record, 'client');
      const { record } = new HostilePerson('honest', evil);
      expect((await net.client(a).raw('PUT', '/unstable/io.partyline/account/record', { record })).status).toBe(200);
    } finally {
      await evil.stop();
      await net.stop();
    }
  });

  it('are limited by who brings them', async () => {
    const net = await Network.start({ servers: ['a'], config: { rateLimits: true }, clock: new HeldClock() });
    const evil = await HostileServer.start();
    try {
      const a = net.server('a');
      const people = Array.from({ length: 120 }, (_, i) => new HostilePerson(`f${i}`, evil));
      const statuses: number[] = [];
      for (const person of people) statuses.push((await evil.raw(a, 'POST', RECORD, person.record)).status);
      expect(statuses.filter((status) => status === 200).length).toBeLessThan(80);
      expect(new Set(statuses)).toEqual(new Set([200, 429]));
      // Neither beside other questions.
      const other = await HostileServer.start();
      try {
        const answers: number[] = [];
        for (let i = 0; i < 120; i++) {
          const { userId, record } = new HostilePerson(`g${i}`, other);
          const uri = `/_matrix/federation/unstable/io.partyline/attach/${encodeURIComponent(`!${'R'.repeat(43)}`)}`;
          answers.push((await other.raw(a, 'POST', uri, { user_id: userId, record })).status);
        }
        expect(answers.filter((status) => status === 404).length).toBeLessThan(80);
        expect(new Set(answers)).toEqual(new Set([404, 429]));
      } finally {
        await other.stop();
      }
    } finally {
      await evil.stop();
      await net.stop();
    }
  });
});
