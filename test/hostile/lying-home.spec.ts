import { recordHash } from '../../libs/federation/src/index.js';
import { OperationExchange } from '../../apps/homeserver/src/homes/ops/operation-exchange.js';
import { dataPath, write } from '../homes/written.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { Person } from '../network/person.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { within } from '../network/within.js';
import { HostileHome } from './hostile-home.js';
import { HostileServer } from './hostile-server.js';
import { HASH, homeAt, homes, isAt, logOf, read, victim } from './victim.js';

// What one home of an account, lying to the others, can do; and that it ends when the person drops it (protocol §4).
let net: Network;
let a: TestServer;
let b: TestServer;
let evil: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  evil = await HostileServer.start();
}, 90_000);
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});

describe('a home that lies', () => {
  it('moves no head by its word: not with a vector, not with a head of another\'s log, not in a copy', async () => {
    const { person, home } = await victim('vector', a, evil);
    await write(person, a, 'org.example.before');
    const [log] = await logOf(person, a);
    const forged = { ...home.head({ n: 9e15, hash: HASH }), log };
    evil.on(new RegExp(`account/${person.userId}/ops`), () => ({ ops: [], more: false, snapshot_needed: true, heads: [forged] }));
    evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({ record: person.record, heads: [forged, home.head({ n: 7, hash: HASH })], rooms: {}, ops: [] }));
    await home.hand(a, [], { vector: { [a.name]: 9e15 }, heads: [forged, home.head({ n: 7, hash: HASH })] });
    await eventually(() => evil.requests.some(({ path }) => path.includes(`${person.userId}/snapshot`)));
    await write(person, a, 'org.example.during');
    const [, { places }] = await logOf(person, a);
    expect(places[0][0]).toBeLessThan(100);
    await person.publish(person.next({ revoke: [evil.name] }), a);
    await person.addHome(b, { through: a });
    await write(person, a, 'org.example.after');
    await isAt(person, b, 'org.example.after');
  });

  it('about another home\'s log does not silence that home', async () => {
    const { person, home } = await victim('silence', a, evil);
    await person.addHome(b, { through: a });
    await write(person, b, 'org.example.first');
    await isAt(person, a, 'org.example.first');
    const [log] = await logOf(person, a, b.name);
    const forged = { ...home.head({ n: 1_000_000, hash: HASH }), log };
    evil.on(new RegExp(`account/${person.userId}/ops`), () => ({ ops: [], more: false, snapshot_needed: true, heads: [forged] }));
    evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({ record: person.record, heads: [forged], rooms: {}, ops: [] }));
    await home.hand(a, [], { heads: [forged, home.head({ n: 5, hash: HASH })] });
    await eventually(() => evil.requests.some(({ path }) => path.includes(`${person.userId}/snapshot`)));
    await write(person, b, 'org.example.second');
    await isAt(person, a, 'org.example.second');
    await eventually(async () => (await homeAt(person, b, a.name)).ops_behind === 0);
  });

  it('that tells two homes two operations of one number is found out; both count, and the homes agree', async () => {
    const { person, home } = await victim('equivocal', a, evil);
    await person.addHome(b, { through: a });
    await eventually(async () => (await home.hand(b, [])).status === 200);
    for (const [server, word] of [[a, 'told to a'], [b, 'told to b']] as const) {
      expect((await home.hand(server, [home.op('account_data', 'org.example.word', JSON.stringify({ word }), { ms: 5 })])).body.refused).toEqual([]);
    }
    await eventually(async () => JSON.stringify(await read(person, a, 'org.example.word')) === JSON.stringify(await read(person, b, 'org.example.word')), 15_000);
    for (const server of [a, b]) await eventually(async () => (await homes(person, server)).logs[home.log].forked === true);
    // The person sees both branches, and takes one of them.
    const { places } = (await homes(person, a)).logs[home.log];
    expect(places).toHaveLength(2);
    await person.publish(person.next({ revoke: [evil.name], cuts: { [home.log]: [places[0]] } }), a);
    await eventually(async () => {
      const [atA, atB] = await Promise.all([a, b].map(async (server) => (await homes(person, server)).logs[home.log]));
      return atA.places.length === 1 && JSON.stringify(atA.places) === JSON.stringify(atB.places);
    }, 15_000);
    // What a log counts for is noted before it is put to work on the items.
    await eventually(async () => JSON.stringify(await read(person, a, 'org.example.word')) === JSON.stringify(await read(person, b, 'org.example.word')), 15_000);
    expect((await homes(person, a)).logs[home.log].set_aside).toEqual({ count: 1, kinds: ['account_data'] });
  }, 60_000);

  it('about the time decides concurrent writes only, for its own account only', async () => {
    const { person: mallory, home } = await victim('mallory', a, evil);
    const bob = await Person.named('bob.clock', a);
    await bob.addHome(b, { through: a });
    await home.hand(a, [home.op('account_data', 'x', '{}', { ms: Date.now() + 365 * 86_400_000 })]);
    expect(await read(mallory, a, 'x')).toEqual({});
    await write(mallory, a, 'x', { saw: 'it' });
    expect(await read(mallory, a, 'x')).toEqual({ saw: 'it' });
    await b.stop();
    await write(bob, a, 'org.example.v', { v: 'older, at a' });
    await a.stop();
    await b.start();
    await write(bob, b, 'org.example.v', { v: 'newer, at b' });
    await a.start();
    for (const server of [a, b]) await eventually(async () => (await read(bob, server, 'org.example.v'))?.v === 'newer, at b', 15_000);
  }, 60_000);

  it('is named when its clock is another, and for what it did not take', async () => {
    const { person, home } = await victim('clock', a, evil);
    const log = 'B'.repeat(42);
    evil.on(new RegExp(`account/${person.userId}/ops`), () => ({ heads: [], refused: [[log, 3, 'signature'], 'x'], now: Date.now() + 3 * 86_400_000 }));
    // By this a hears of it, and does not leave it alone any more for what it answered before.
    await home.hand(a, [], { now: Date.now() - 3 * 86_400_000 });
    await write(person, a, 'org.example.wake');
    const seen = await eventually(async () => {
      const shown = await homeAt(person, a, evil.name);
      return shown.refused && shown.clock_skew_ms > 0 && shown;
    });
    expect(seen.refused).toEqual([[log, 3, 'signature']]);
    expect(Math.round(seen.clock_skew_ms / 86_400_000)).toBe(3);
    expect(seen.ops_behind).toBeGreaterThan(0);
  });

  it('without end in its answers is not asked without end, and not believed again about heads it cannot show', async () => {
    const { person, home } = await victim('endless', a, evil);
    const one = home.op('account_data', 'org.example.one', '{}');
    let asked = 0;
    evil.on(new RegExp(`account/${person.userId}/ops/missing`), () => {
      asked++;
      return { ops: [{ ...one, user_id: undefined }], more: true, snapshot_needed: false, heads: [] };
    });
    const claim = { heads: [home.head({ n: 5, hash: HASH })] };
    await home.hand(a, [], claim);
    await eventually(() => asked > 0);
    await isAt(person, a, 'org.example.one');
    await a.get(OperationExchange).idle();
    const before = asked;
    for (let i = 0; i < 5; i++) await home.hand(a, [], claim);
    await a.get(OperationExchange).idle();
    expect([before < 5, asked]).toEqual([true, before]);
  });

  it('lets an operation wait that knew of something which is not here, and what comes after it, and nothing else', async () => {
    const { person, home } = await victim('waits', a, evil);
    const [log] = await logOf(person, a);
    const ahead = home.op('account_data', 'org.example.waits', '{}', { after: { [log]: [[1_000, HASH]] } });
    const { body } = await home.hand(a, [ahead, home.op('account_data', 'org.example.free', '{}', { log: home.anotherLog() })]);
    expect(body.refused).toEqual([]);
    expect([await read(person, a, 'org.example.waits'), await read(person, a, 'org.example.free')]).toEqual([null, {}]);
  });

  it('knows of nothing in the log of a key that no record has named, and may know of a revoked one\'s', async () => {
    const { person, home: gone } = await victim('former', a, evil);
    await person.publish(person.next({ revoke: [evil.name] }), a);
    const home = new HostileHome(evil, person.userId);
    await person.publish(person.next({ add: [home.entry] }), a);
    const stranger = new HostileHome(evil, person.userId);
    const ahead = home.op('account_data', 'org.example.ahead', '{}', { log: home.anotherLog(), after: { [stranger.log]: [[5, HASH]] } });
    const knew = home.op('account_data', 'org.example.knew', '{}', { after: { [gone.log]: [[5, HASH]] } });
    expect((await home.hand(a, [ahead, knew])).body.refused).toEqual([]);
    expect([await read(person, a, 'org.example.ahead'), await read(person, a, 'org.example.knew')]).toEqual([null, {}]);
    // A home that came later was shown the record that proves it, with its copy.
    await person.addHome(b, { through: a });
    await isAt(person, b, 'org.example.knew');
    await home.hand(b, [home.op('account_data', 'org.example.later', '{}', { prev: knew, after: { [gone.log]: [[6, HASH]] } })]);
    await isAt(person, b, 'org.example.later');
    expect(await read(person, b, 'org.example.ahead')).toBeNull();
  }, 60_000);

  it('is asked once for a record of which it claims the version, and then not for an hour', async () => {
    const { person, home } = await victim('claims', a, evil);
    const shown = person.next({ priorities: { [evil.name]: 77 } });
    const [epoch, seq] = [shown.epoch, shown.seq];
    let asked = 0;
    let records: object[] = [];
    evil.on(/io\.partyline\/records/, () => {
      asked++;
      return { records };
    });
    // Shown when asked for, before the operations are looked at.
    records = [shown];
    const { body } = await home.hand(a, [], { version: [epoch, seq, recordHash(shown)] });
    expect([asked, body.version]).toEqual([1, [epoch, seq, recordHash(shown)]]);
    for (let i = 1; i < 5; i++) expect((await home.hand(a, [], { version: [epoch, seq + i, HASH] })).status).toBe(200);
    expect(asked).toBe(2);
  });

  it('has what it takes in its log, and says what its account does not show: it counts not as one that applied it', async () => {
    const { person, home } = await victim('unapplied', a, evil);
    // As the server that takes: named as long as it is so.
    const bad = home.op('room_account_data', JSON.stringify(['!a\0:x.example', 'm.tag']), '{}');
    for (const ops of [[bad], []]) expect((await home.hand(a, ops)).body.refused).toEqual([[home.log, 1, 'not storable']]);
    const unknown = home.op('unheard of', 'x', 1, { prev: bad });
    expect((await home.hand(a, [unknown])).body.refused).toEqual([[home.log, 2, 'unknown kind'], [home.log, 1, 'not storable']]);
    // As the one that asks: nobody counts who says that.
    let refuses = false;
    const refused: Json[] = [];
    evil.on(new RegExp(`account/${person.userId}/ops`), (_path, body) => {
      // Named in every answer as long as it is so, also where it is asked again with nothing new.
      if (refuses) refused.push(...body.ops.map(({ log, n }: Json) => [log, n, 'not storable']));
      return { heads: body.heads, digest: body.digest, refused };
    });
    const put = (type: string) => person.at(a).request('PUT', dataPath(person.at(a), type), { type }, { query: { 'io.partyline.homes': 2 } });
    expect((await put('org.example.applied'))['io.partyline.homes']).toEqual([a.name, evil.name]);
    refuses = true;
    expect((await put('org.example.unapplied'))['io.partyline.homes']).toEqual([a.name]);
  }, 60_000);

  it('that answers slowly, to many accounts, does not hold up the operations of others', async () => {
    const carol = await Person.named('carol.quick', a);
    await carol.addHome(b, { through: a });
    await write(carol, a, 'org.example.first');
    await isAt(carol, b, 'org.example.first');
    let release = (): void => undefined;
    const silence = new Promise<void>((resolve) => { release = resolve; });
    evil.on(/account\/%40slow.*\/ops|account\/@slow.*\/ops/, async () => {
      await silence;
      return { heads: [] };
    });
    try {
      for (let i = 0; i < 20; i++) {
        const person = await Person.named(`slow${i}`, a);
        await person.publish(person.next({ add: [new HostileHome(evil, person.userId).entry] }), a);
        await write(person, a, 'org.example.x');
      }
      await write(carol, a, 'org.example.second');
      await within(12_000, () => isAt(carol, b, 'org.example.second'));
    } finally {
      release();
      evil.hangUp();
    }
  }, 60_000);
});
