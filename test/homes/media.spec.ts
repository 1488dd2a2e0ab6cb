import { randomBytes } from 'node:crypto';
import { Media, MediaFile } from '../../apps/homeserver/src/media/media.entity.js';
import { MediaFiles } from '../../apps/homeserver/src/media/media-files.js';
import { MediaStore } from '../../apps/homeserver/src/media/media.store.js';
import { Database } from '../../apps/homeserver/src/storage/database.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { download, pixel, sha256, upload, type Uploaded } from '../network/media.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { createRoom, isIn, join, roomPath } from './talk.js';

// Media outlive their server (docs/protocol.md §4 and §4b).
let net: Network;
let a: TestServer;
let b: TestServer;
let c: TestServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
}, 90_000);
afterAll(() => net?.stop());
afterEach(() => Promise.all([a, b, c].map((server) => server.start())));

const progress = async (person: Person, at: TestServer, of: TestServer): Promise<Json> =>
  (await person.at(at).request('GET', `${homesPath}/account/media`)).homes.find((home: Json) => home.server_name === of.name).media;
const isCopied = (person: Person, at: TestServer, of: TestServer, count: number): Promise<Json> => eventually(async () => {
  const media = await progress(person, at, of);
  return media?.ready === count && media;
}, 60_000);

describe('what an account uploads', () => {
  it('is brought to its other homes, also what was there before, and is read when its server is dead', async () => {
    const alice = await Person.named('copied', a);
    const [early, late] = [randomBytes(300_000), randomBytes(1_000)];
    const before = await upload(alice.at(a), early, 'application/pdf', { filename: 'early.pdf' });
    await alice.addHome(b, { through: a });
    const after = await upload(alice.at(a), late);
    expect(await isCopied(alice, a, b, 2)).toEqual({ total: 2, ready: 2, bytes: 301_000, ready_bytes: 301_000 });
    await a.stop();
    const answer = await download(alice.at(b), before);
    expect([answer.bytes.equals(early), answer.headers['content-disposition']]).toEqual([true, 'attachment; filename=early.pdf']);
    expect((await download(alice.at(b), after)).bytes.equals(late)).toBe(true);
    expect(await progress(alice, b, b)).toMatchObject({ ready: 2 });
    expect(await progress(alice, b, a)).toBeNull();
  }, 120_000);

  it('is brought when the home that was away is back, over restarts of both', async () => {
    const bob = await Person.named('away', a);
    await bob.addHome(b, { through: a });
    await b.stop();
    await upload(bob.at(a), randomBytes(5_000));
    await a.restart();
    await b.start();
    await isCopied(bob, a, b, 1);
    // Known and not here yet, when the server stops.
    await upload(bob.at(b), randomBytes(6_000));
    await isCopied(bob, b, a, 2);
  }, 120_000);

  it('is what it was: another file under its address is not taken, and does not stay', async () => {
    const kim = await Person.named('replaced', a);
    await kim.addHome(b, { through: a });
    const file = await upload(kim.at(a), randomBytes(7_000));
    await isCopied(kim, a, b, 1);
    // As if its disk had been given another one, and this home had lost its copy.
    const [, mediaId] = file.path.split('/');
    const other = await upload(kim.at(a), randomBytes(8_000));
    await isCopied(kim, a, b, 2);
    const hashOf = async (path: string) => (await a.get(MediaStore).find({ serverName: a.name, mediaId: path.split('/')[1]! }))!.sha256!;
    const [mine, wrong] = [await hashOf(file.path), await hashOf(other.path)];
    await a.get(Database).transaction((tx) => tx.repository(Media).update({ serverName: a.name, mediaId: mediaId! }, { sha256: wrong }));
    await b.get(MediaFiles).remove(mine, async (tx) => (await tx.repository(MediaFile).delete({ sha256: mine })).affected === 1);
    await b.get(MediaFiles).remove(wrong, async (tx) => (await tx.repository(MediaFile).delete({ sha256: wrong })).affected === 1);
    expect((await download(kim.at(b), file)).status).toBe(502);
    expect(await b.get(MediaFiles).open(wrong)).toBeUndefined();
  }, 120_000);

  it('counts for the quota at each home', async () => {
    const dave = await Person.named('counted', a);
    await dave.addHome(b, { through: a });
    await upload(dave.at(a), randomBytes(80_000));
    await eventually(async () => (await b.get(MediaStore).usage(dave.userId)) === 80_000, 60_000);
    const file = await upload(dave.at(b), randomBytes(10_000));
    expect((await download(dave.at(a), file)).status).toBe(200);
  }, 120_000);
});

describe('somebody who is at home elsewhere', () => {
  let erin: Person;
  let frank: Json;
  let roomId: string;
  let file: Uploaded;
  const bytes = randomBytes(200_000);
  beforeAll(async () => {
    erin = await Person.named('shows', a);
    await erin.addHome(b, { through: a });
    frank = await net.client(c).register('frank');
    roomId = await createRoom(erin.at(a));
    await join(frank, roomId, a);
    await isIn(erin.at(b), roomId);
    const membersAtB = async () => (await erin.at(b).request('GET', `${roomPath(roomId)}/joined_members`)).joined;
    await eventually(async () => (await membersAtB())[frank.userId], 60_000);
    file = await upload(erin.at(a), bytes, 'application/pdf', { filename: 'late.pdf' });
    await isCopied(erin, a, b, 1);
  }, 180_000);

  it('reads it from the other home of who uploaded it, who shows that it is what the address names', async () => {
    await a.stop();
    const answer = await eventually(async () => {
      const got = await download(frank, file);
      return got.status === 200 && got;
    }, 60_000);
    expect([answer.status, answer.bytes.equals(bytes), answer.headers['content-disposition']]).toEqual([200, true, 'attachment; filename=late.pdf']);
    // And keeps it.
    await b.stop();
    expect((await download(frank, file)).bytes.equals(bytes)).toBe(true);
  }, 120_000);

  it('reads what a member of the room has read, by the hash that the client has found in the event', async () => {
    const gina = await net.client(a).register('gina');
    await join(gina, roomId, a);
    const picture = await upload(gina, pixel);
    const holly = await net.client(b).register('holly');
    await join(holly, roomId, a);
    // It was left alone while it was dead.
    await eventually(async () => (await download(holly, picture)).bytes.equals(pixel), 60_000);
    await eventually(async () => (await frank.request('GET', `${roomPath(roomId)}/joined_members`)).joined[holly.userId], 60_000);
    await a.stop();
    const claimed = await eventually(async () => {
      const answer = await download(frank, picture, { query: { 'io.partyline.sha256': sha256(pixel) } });
      return answer.status === 200 && answer;
    }, 60_000);
    expect([claimed.bytes.equals(pixel), claimed.headers['content-type']]).toEqual([true, 'image/png']);
    const wrong = await download(frank, picture, { query: { 'io.partyline.sha256': sha256(bytes) } });
    expect(wrong.bytes.equals(pixel)).toBe(false);
    // Only for who names the hash: others could be shown something else, as nobody can show what the address names. b is no home of Gina's.
    expect((await download(frank, picture)).status).toBe(502);
  }, 120_000);
});

describe('a server', () => {
  it('that shares no room and is no home is not told what is here', async () => {
    const ivy = await net.client(a).register('ivy');
    const bytes = randomBytes(1_000);
    const file = await upload(ivy, bytes);
    const roomId = await createRoom(ivy);
    const stranger = await HostileServer.start();
    const base = '/_matrix/federation/unstable/io.partyline';
    try {
      for (const path of [`media/sha256/${sha256(bytes)}`, `media/address/${file.path}`]) {
        for (const query of ['', `?room_id=${encodeURIComponent(roomId)}`]) await stranger.expectError(404, 'M_NOT_FOUND', a, 'GET', `${base}/${path}${query}`);
      }
      await stranger.expectError(404, 'M_NOT_FOUND', a, 'GET', `${base}/account/${encodeURIComponent('@nobody:x.org')}/media`);
    } finally {
      await stranger.stop();
    }
  });
});
