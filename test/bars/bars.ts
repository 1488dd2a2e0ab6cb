import { randomBytes } from 'node:crypto';
import { acceptedInput, signingKeyFromSeed, type HomeEntry } from '../../libs/federation/src/index.js';
import { createRoom, isCaughtUp, isIn, join, reads, say } from '../homes/talk.js';
import { SilentServers } from '../hostile/silent-servers.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { Neighbourhood, type Peer } from './neighbourhood.js';

const AT_ONCE = 10;
/** Between two writes of each account whose other home does not answer. */
const WRITES_EVERY_MS = Number(process.env['BARS_WRITES_MS'] ?? 10_000);
/** Requests per second of the account at its limits: a message, or one that costs more. */
const LIMIT_PER_SECOND = 10;
/** Between two requests of a peer that talks nonsense. */
const NONSENSE_EVERY_MS = 5;

/** Two good servers with people who talk, and whoever may be a nuisance to them. */
export class Bars {
  #accounts = 0;

  private constructor(
    readonly net: Network,
    readonly alice: Person,
    readonly bob: TestClient,
    readonly roomId: string,
    private readonly nobody: SilentServers,
    private readonly neighbourhood: Neighbourhood,
  ) {}

  get a(): TestServer {
    return this.net.server('a');
  }

  get b(): TestServer {
    return this.net.server('b');
  }

  /** Alice lives at both servers; Bob, at B, is in a room with her. */
  static async start(): Promise<Bars> {
    const net = await Network.start({ servers: ['a', 'b'] });
    const [a, b] = net.servers as [TestServer, TestServer];
    const alice = await Person.named('alice', a);
    const bob = await net.client(b).register('bob');
    const roomId = await createRoom(alice.at(a));
    await join(bob, roomId, a);
    await alice.addHome(b, { through: a });
    await isIn(alice.at(b), roomId);
    await say(alice.at(a), roomId, 'before');
    await reads(bob, roomId, 'before');
    await isCaughtUp(alice, a, b);
    return new Bars(net, alice, bob, roomId, await SilentServers.start(), new Neighbourhood());
  }

  async stop(): Promise<void> {
    await Promise.all([this.nobody.stop(), this.neighbourhood.stop()]);
    await this.net.stop();
  }

  /** Peers that are homes of an account each, which writes, has rooms there, and moves in from there. */
  async addPeers({ silent, slow }: { silent: number; slow: number }): Promise<void> {
    const kinds = [...Array.from({ length: silent }, () => 'silent' as const), ...Array.from({ length: slow }, () => 'slow' as const)];
    while (kinds.length > 0) await Promise.all(kinds.splice(0, AT_ONCE).map((kind) => this.#addPeer(kind)));
  }

  async #addPeer(kind: 'silent' | 'slow'): Promise<void> {
    const peer = await this.neighbourhood.addPeer(kind);
    const number = ++this.#accounts;
    const person = await Person.named(`neighbour${number}`, this.a);
    await person.publish(person.next({ add: [homeAt(peer, person)] }), this.a);
    const rooms = Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`!peer${number}x${n}:x.example`, [peer.name]]));
    await person.at(this.a).request('PUT', `${homesPath}/account/record`, { record: person.record, rooms });
    const { userId, accessToken } = person.at(this.a);
    const write = { method: 'PUT', path: `/_matrix/client/v3/user/${encodeURIComponent(userId)}/account_data/x`, body: { random: true } };
    await this.neighbourhood.addClient(this.a.url, accessToken!, WRITES_EVERY_MS, [write]);
  }

  /** A peer that is believed to be a server, and answers and sends what makes no sense, without end. */
  async talkNonsense(): Promise<void> {
    const peer = await this.neighbourhood.addPeer('mad', { vector: { '*': 7 }, ops: [[]], more: true, pdus: 'none', device_keys: 7 });
    const io = '/_matrix/federation/unstable/io.partyline';
    const pdus = Array.from({ length: 50 }, (_, i) => ({ room_id: this.roomId, i }));
    await this.neighbourhood.addServer(peer, this.a, NONSENSE_EVERY_MS, [
      { method: 'PUT', path: '/_matrix/federation/v1/send/{random}', body: { pdus, edus: [{ edu_type: 'm.typing', content: 7 }] } },
      { method: 'POST', path: `${io}/record`, body: { user_id: `@nobody:${peer.name}` } },
      { method: 'POST', path: `${io}/account/${encodeURIComponent(this.alice.userId)}/ops`, body: { vector: {}, ops: [{}] } },
      { method: 'GET', path: `/_matrix/federation/v1/state/${encodeURIComponent(this.roomId)}?event_id=$none` },
    ]);
  }

  /** An account that does all that it may, and names servers that are silent wherever it can. */
  async exhaustLimits(): Promise<void> {
    const mallory = await this.net.client(this.a).register('mallory');
    const roomId = await createRoom(mallory);
    const silent = this.nobody.names(1_000);
    const users = silent.map((name) => `@x:${name}`);
    const client = '/_matrix/client/v3';
    const calls = [
      { method: 'POST', path: `${client}/keys/query`, body: { timeout: 10_000, device_keys: Object.fromEntries(users.map((user) => [user, []])) } },
      { method: 'POST', path: `/_matrix/client${homesPath}/sync/resume`, body: { rooms: { [roomId]: ['$none'] }, account: {} } },
      { method: 'GET', path: `${client}/profile/${encodeURIComponent(users[0]!)}` },
      { method: 'POST', path: `${client}/join/${encodeURIComponent(this.roomId)}?via=${silent[0]}`, body: {} },
    ];
    const message = { method: 'PUT', path: `${client}/rooms/${encodeURIComponent(roomId)}/send/m.room.message/{random}`, body: { body: 'x'.repeat(50_000), msgtype: 'm.text' } };
    await this.neighbourhood.addClient(this.a.url, mallory.accessToken!, 1_000 / LIMIT_PER_SECOND, [message]);
    await this.neighbourhood.addClient(this.a.url, mallory.accessToken!, 1_000 / LIMIT_PER_SECOND, calls);
    const record = await mallory.request('GET', `${homesPath}/account/record`);
    const rooms = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`!limit${i}:x.example`, silent.slice(i, i + 5)]));
    await mallory.raw('PUT', `${homesPath}/account/record`, { record, rooms });
  }
}

/** An entry that the peer has agreed to. */
function homeAt(peer: Peer, person: Person): HomeEntry {
  const key = signingKeyFromSeed('ed25519:h_peer', randomBytes(32));
  const accepted: Json = { [peer.key.keyId]: peer.key.sign(acceptedInput(person.userId, key.publicKey, peer.name)) };
  return { server_name: peer.name, key_id: key.keyId, key: key.publicKey, priority: 5, accepted };
}
