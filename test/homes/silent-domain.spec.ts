import { Clock } from '../../apps/homeserver/src/observability/clock.js';
import { AccountServers } from '../../apps/homeserver/src/accounts/account-servers.js';
import { genesisHash } from '../../libs/federation/src/index.js';
import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { Impostor } from '../hostile/impostor.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom } from './talk.js';

const DAY = 24 * 3_600_000;
const RECORD = '/_matrix/federation/unstable/io.partyline/record';

/** The wall clock, ahead by as much as the test says. */
class TravellingClock extends Clock {
  aheadMs = 0;
  override now(): number {
    return super.now() + this.aheadMs;
  }
}

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
    home.keyLifetimeMs = 30 * DAY;
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
});

describe('records of strangers', () => {
  it('are limited by who brings them', async () => {
    const net = await Network.start({ servers: ['a'], config: { rateLimits: true } });
    const evil = await HostileServer.start();
    try {
      const a = net.server('a');
      const people = Array.from({ length: 120 }, (_, i) => new HostilePerson(`f${i}`, evil));
      const statuses: number[] = [];
      for (const person of people) statuses.push((await evil.raw(a, 'POST', RECORD, person.record)).status);
      expect(statuses.filter((status) => status === 200).length).toBeLessThan(80);
      expect(new Set(statuses)).toEqual(new Set([200, 429]));
    } finally {
      await evil.stop();
      await net.stop();
    }
  });
});
