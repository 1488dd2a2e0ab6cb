import { randomBytes } from 'node:crypto';
import { readPdu, roomVersion } from '#federation';
import { createRoom, isIn, join, reads, roomPath, say, texts } from './talk.js';
import { HostilePerson } from '../hostile/hostile-person.js';
import { HostileRoom } from '../hostile/hostile-room.js';
import { HostileServer, wire } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

// One replica gives a copy of before its member was banned.
let net: Network;
let a: TestServer; let b: TestServer; let c: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b', 'c'] });
  [a, b, c] = net.servers as [TestServer, TestServer, TestServer];
  evil = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  evil?.hangUp();
  await evil?.stop();
  await net?.stop();
});

it('an emergency home that got a stale copy of a room does not send to who was banned', async () => {
  const alice = await Person.named('emergency', a);
  const bob = await net.client(c).register('bob.e');
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  const mallory = new HostilePerson('mallory', evil);
  const bad = await HostileRoom.join(evil, a, roomId, mallory.userId, mallory.inRooms);
  const snapshot: Json = await evil.request(a, 'GET', `/_matrix/federation/v1/state/${encodeURIComponent(roomId)}?event_id=${encodeURIComponent(bad.latest[0]!)}`);
  const join_ = (await alice.at(a).request('GET', `${roomPath(roomId)}/state`)).find((event: Json) => event.state_key === mallory.userId);
  const joinPdu = (await evil.request(a, 'GET', `/_matrix/federation/v1/event/${encodeURIComponent(join_.event_id)}`)).pdus[0];
  await alice.at(a).request('POST', `${roomPath(roomId)}/ban`, { user_id: mallory.userId });
  await say(alice.at(a), roomId, 'after the ban');
  await eventually(async () => (await texts(bob, roomId)).includes('after the ban'));
  // Mallory's server is one of those that the client still knows for the room.
  evil.on(/io\.partyline\/attach/, (_path, body) => (body?.ends_only ? { pdus: [] } : {
    room_version: 'io.partyline.1', ends: [{ event_id: join_.event_id, depth: joinPdu.depth }], pdus: [joinPdu], servers: [a.name, c.name, evil.name],
    state: [...snapshot.pdus.filter((pdu: Json) => pdu.state_key !== mallory.userId), joinPdu], auth_chain: snapshot.auth_chain,
  }));
  evil.on(/v1\/send\//, (_path, body) => ({ pdus: Object.fromEntries((body?.pdus ?? []).map((_: Json, i: number) => [`$${i}`, {}])) }));
  const entry = await alice.offer(b);
  await a.stop();
  evil.requests.length = 0;
  try {
    await alice.publish(alice.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [evil.name, c.name] }, ...(await alice.proof(b)) });
    const client = await alice.login(b);
    await isIn(client, roomId);
    await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/s1`, { body: 'secret from the emergency home', msgtype: 'm.text' });
    for (let i = 0; i < 3; i++) {
      await say(bob, roomId, `bob ${i}`);
      await say(client, roomId, `secret from the emergency home, ${i}`);
    }
    await reads(bob, roomId, 'secret from the emergency home', 'secret from the emergency home, 2');
    await reads(client, roomId, 'bob 2');
    const atC: Json = (await bob.request('GET', `${roomPath(roomId)}/state`)).find((event: Json) => event.state_key === mallory.userId);
    const fromC = evil.requests.some(({ body }) => body?.origin === c.name && JSON.stringify(body).includes('bob 2'));
    const members = Object.keys((await client.request('GET', `${roomPath(roomId)}/joined_members`)).joined);
    expect({ bannedAtC: atC.content.membership, spyHeardBobFromC: fromC, spyHeard: JSON.stringify(evil.requests).includes('secret from the emergency home'), malloryIsIn: members.includes(mallory.userId), bobHeard: (await texts(bob, roomId)).includes('secret from the emergency home') })
      .toEqual({ bannedAtC: 'ban', spyHeardBobFromC: false, spyHeard: false, malloryIsIn: false, bobHeard: true });
  } finally {
    await a.start();
  }
}, 60_000);

const LIES: [string, (now: Json[], before: Json[], isBan: (pdu: Json) => boolean) => { ids: Json[]; given: Json[] }][] = [
  ['says that it was never', (_now, before) => ({ ids: before, given: before })],
  ['names it and does not give it', (now, _before, isBan) => ({ ids: now, given: now.filter((pdu) => !isBan(pdu)) })],
  ['gives it with a wrong signature', (now, _before, isBan) => ({ ids: now, given: now.map((pdu) => (isBan(pdu) ? { ...pdu, signatures: {} } : pdu)) })],
];

it.each(LIES)('an emergency home knows of a ban although a replica with the same ends %s', async (what, lie) => {
  const alice = await Person.named(`claimed${what.length}`, a);
  const bob = await net.client(c).register(`bob.c${what.length}`);
  const roomId = await createRoom(alice.at(a));
  await join(bob, roomId, a);
  const [mallory, spy] = [new HostilePerson('mallory.c', evil), new HostilePerson('spy.c', evil)];
  await HostileRoom.join(evil, a, roomId, mallory.userId, mallory.inRooms);
  await HostileRoom.join(evil, a, roomId, spy.userId, spy.inRooms);
  const atC = async (path: string): Promise<Json> => evil.request(c, 'GET', `/_matrix/federation/v1/${path}`);
  const [room, spyId] = [roomId, spy.userId].map(encodeURIComponent);
  const ends = async (): Promise<string[]> => (await atC(`make_leave/${room}/${spyId}`)).event.prev_events;
  const event = async (id: string): Promise<Json> => (await atC(`event/${encodeURIComponent(id)}`)).pdus[0];
  const stateAt = async (id: string): Promise<Json> => atC(`state/${room}?event_id=${encodeURIComponent(id)}`);
  await say(alice.at(a), roomId, 'before the ban');
  await reads(bob, roomId, 'before the ban');
  const before = (await stateAt((await ends())[0]!)).pdus;
  await alice.at(a).request('POST', `${roomPath(roomId)}/ban`, { user_id: mallory.userId });
  await say(alice.at(a), roomId, 'after the ban');
  await reads(bob, roomId, 'after the ban');
  const [end] = await ends();
  const last = await event(end!);
  const { pdus: now, auth_chain: chain } = await stateAt(end!);
  const isBan = ({ content, state_key: key }: Json): boolean => key === mallory.userId && content.membership === 'ban';
  const { ids, given } = lie(now, before, isBan);
  const rules = roomVersion('io.partyline.1')!;
  // More ends than the others, so that its copy is the first to be asked for.
  const claim = {
    room_version: rules.id, ends: [end!, ...last.prev_events].map((id) => ({ event_id: id, depth: 1 })), pdus: [last, ...(await Promise.all(last.prev_events.map(event)))],
    servers: [c.name, evil.name], state_sha256: 'x',
  };
  const copy = { ...claim, state_ids: ids.map((pdu) => readPdu(pdu, rules).eventId), state: given, auth_chain: chain.filter((pdu: Json) => !isBan(pdu)) };
  evil.on(/io\.partyline\/attach/, (_path, body) => (body?.ends_only ? claim : copy));
  const entry = await alice.offer(b);
  await a.stop();
  try {
    await alice.publish(alice.next({ add: [entry], drop: [a.name] }), b, { rooms: { [roomId]: [evil.name, c.name] }, ...(await alice.proof(b)) });
    const client = await alice.login(b);
    await isIn(client, roomId);
    const shown: Json = (await client.request('GET', `${roomPath(roomId)}/state`)).find((one: Json) => one.state_key === mallory.userId);
    expect(shown?.content.membership).toBe('ban');
  } finally {
    await a.start();
  }
}, 60_000);

it('a once-only key that no database can index does not hold up the room', async () => {
  const alice = await Person.named('index', a);
  const roomId = await createRoom(alice.at(a));
  const mallory = new HostilePerson('mallory2', evil);
  const bad = await HostileRoom.join(evil, a, roomId, mallory.userId, mallory.inRooms);
  const event = bad.message('x', { txn: randomBytes(9_000).toString('base64url') });
  const first: Json = await evil.send(a, [wire(event)]);
  bad.follow(event);
  const next = bad.message('after it');
  const second: Json = await evil.send(a, [wire(next)]);
  expect([first[event.eventId], second[next.eventId]].map((result) => result?.error ?? 'taken')).not.toContain('the event could not be processed');
}, 30_000);
