import { randomBytes } from 'node:crypto';
import { MediaStore } from '../../apps/homeserver/src/media/media.store.js';
import { createRoom } from '../homes/talk.js';
import { eventually } from '../network/eventually.js';
import { download, sha256, upload } from '../network/media.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileHome } from './hostile-home.js';
import { HostileRoom } from './hostile-room.js';
import { HostileServer, Verbatim } from './hostile-server.js';
import { victim } from './victim.js';

// Whoever shows other files than those that addresses name (protocol §4b).
let net: Network;
let a: TestServer;
let b: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  evil = await HostileServer.start();
}, 120_000);
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});
afterEach(() => b.start());

const value = (bytes: Buffer) => ({ sha256: sha256(bytes), bytes: bytes.length, content_type: 'image/png', filename: null, created_ts: 1 });

it('a home names addresses of its own only, whatever it says of who it is', async () => {
  const { person, home } = await victim('media', a, evil);
  const fake = randomBytes(100);
  const named = ['own', 'another', 'this'] as const;
  const serverOf = { own: evil.name, another: b.name, this: a.name };
  let prev = null;
  const ops = [];
  // The last one is taken, so that the others were looked at when it is there.
  for (const name of ['another', 'this', 'own'] as const) {
    prev = home.op('media', JSON.stringify([serverOf[name], `named_${name}`]), value(fake), { prev, home: serverOf[name] });
    ops.push(prev);
  }
  expect((await home.hand(a, ops)).status).toBe(200);
  const known = (name: (typeof named)[number]) => a.get(MediaStore).find({ serverName: serverOf[name], mediaId: `named_${name}` });
  await eventually(() => known('own'), 30_000);
  expect([await known('another'), await known('this')]).toEqual([undefined, undefined]);
  expect((await person.at(a).request('GET', '/unstable/io.partyline/account/media')).homes[0].media).toMatchObject({ total: 1, ready: 0 });
}, 120_000);

describe('a replica', () => {
  let frank: TestClient;
  let bob: Person;
  let path: string;
  const [real, fake] = [randomBytes(500), randomBytes(600)];
  beforeAll(async () => {
    frank = await net.client(a).register('frank');
    bob = await Person.named('bob', b);
    path = (await upload(bob.at(b), real)).path;
    const roomId = await createRoom(frank, { room_version: '12' });
    await HostileRoom.join(evil, a, roomId);
    // Its answers, when it is asked for what nobody else has.
    evil.on(/media\/sha256/, () => new Verbatim(200, { 'content-type': 'multipart/mixed; boundary=x' }, Buffer.concat([
      Buffer.from('--x\r\nContent-Type: application/json\r\n\r\n{}\r\n--x\r\nContent-Type: image/png\r\n\r\n'), fake, Buffer.from('\r\n--x--'),
    ])));
  }, 120_000);

  const forger = () => new HostileHome(evil, bob.userId);
  const key = () => JSON.stringify(path.split('/'));
  it.each([
    ['says so', () => ({ sha256: sha256(fake) })],
    ['signs as if it were a home of who uploaded it', () => {
      const { user_id: _user, ...operation } = forger().op('media', key(), value(fake), { home: b.name });
      return { sha256: sha256(fake), user_id: bob.userId, operation };
    }],
    ['shows an operation of somebody else', () => {
      const other = new HostileHome(evil, evil.user('mallory'));
      const { user_id: _user, ...operation } = other.op('media', key(), value(fake), { home: b.name });
      return { sha256: sha256(fake), user_id: evil.user('mallory'), operation };
    }],
    ['says that it has what the client wants, and has something else', () => ({ sha256: sha256(real) })],
    ['answers nonsense', () => ({ sha256: 'x', operation: [[]] })],
  ])('that %s is not believed about an address of a silent server', async (_what, answer) => {
    await b.stop();
    evil.on(/media\/address/, answer);
    const before = evil.requests.length;
    const client = await net.client(a).register(`reader${before}`);
    const roomId = await createRoom(client, { room_version: '12' });
    await HostileRoom.join(evil, a, roomId);
    for (const hash of [undefined, sha256(real)]) {
      const got = await download(client, { path }, { query: { 'io.partyline.sha256': hash } });
      expect(got.status).toBe(502);
    }
    expect(evil.requests.slice(before).some(({ path: asked }) => asked.includes('/media/address/'))).toBe(true);
  }, 120_000);
});
