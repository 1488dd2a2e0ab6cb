import { operationHash } from '../../libs/federation/src/index.js';
import { Arrivals } from '../../apps/homeserver/src/homes/attach/arrivals.js';
import { DigestExchange } from '../../apps/homeserver/src/homes/ops/digest-exchange.js';
import { OperationExchange } from '../../apps/homeserver/src/homes/ops/operation-exchange.js';
import { Database, statement } from '../../apps/homeserver/src/storage/database.js';
import { write } from '../homes/written.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileServer } from './hostile-server.js';
import { HASH, homeAt, homes, isAt, read, victim } from './victim.js';

// What a home that lies can do with the copy that it gives to another one (protocol §4).
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

describe('the copy of a home that lies', () => {
  it('is not taken by the next home when it has been dropped', async () => {
    const { person } = await victim('planted', a, evil);
    evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({
      record: person.record, heads: [], rooms: {}, ops: [{ kind: 'device', key: 'EVIL', value: '{"display_name":"phone"}' }],
    }));
    await person.offer(b);
    await a.stop();
    try {
      const entry = await person.offer(b);
      await person.publish(person.next({ add: [entry], drop: [evil.name] }), b);
      const atB = await person.login(b);
      await b.get(Arrivals).idle();
      await b.get(OperationExchange).idle();
      const asked = evil.requests.some(({ path }) => path.includes(`${person.userId}/snapshot`));
      const devices = (await atB.request('GET', '/v3/devices')).devices.map((one: Json) => one.device_id);
      expect({ asked, devices }).toEqual({ asked: false, devices: [atB.deviceId] });
    } finally {
      await a.start();
    }
  }, 60_000);

  it('leaves something out: that is named or mended', async () => {
    const { person, home } = await victim('leaves', a, evil);
    const kept = home.op('account_data', 'org.example.kept', '{}');
    const left = home.op('account_data', 'org.example.left', '{}', { prev: kept });
    await home.hand(a, [kept, left], { heads: [home.head(left)] });
    expect(await read(person, a, 'org.example.left')).toEqual({});
    // The same log, shown to b with a copy that lacks an item.
    const wire = ({ user_id: _user, ...op }: Json): Json => op;
    evil.on(new RegExp(`account/${person.userId}/ops`), () => ({ ops: [], more: false, snapshot_needed: true, heads: [home.head(left)] }));
    evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({ record: person.record, heads: [home.head(left)], rooms: {}, ops: [wire(kept)] }));
    await a.stop();
    await person.publish(person.next({ add: [await person.offer(b)] }), b).catch(() => undefined);
    await person.login(b);
    await isAt(person, b, 'org.example.kept');
    expect(await read(person, b, 'org.example.left')).toBeNull();
    await a.start();
    await isAt(person, b, 'org.example.left');
    expect(operationHash(left)).toHaveLength(43);
  }, 60_000);

  it('shows heads the second time: they are believed when that one, too, was compared', async () => {
    const { person, home } = await victim('second.copy', a, evil);
    await person.addHome(b, { through: a });
    const far = home.head({ n: 50, hash: HASH });
    const { promise, resolve: release } = Promise.withResolvers<void>();
    let [isFar, copies, compared] = [false, 0, 0];
    evil.on(new RegExp(`account/${person.userId}/digest`), async () => {
      compared++;
      await promise;
      return { heads: [], differing: [], ops: [] };
    });
    evil.on(new RegExp(`account/${person.userId}/snapshot`), () => ({ record: person.record, heads: [far], rooms: {}, ops: [], copies: ++copies }));
    evil.on(new RegExp(`account/${person.userId}/ops`), (path, body) => (path.endsWith('missing')
      ? { ops: [], more: false, snapshot_needed: true, heads: [far] }
      : { heads: [...body.heads, ...(isFar ? [far] : [])], digest: isFar ? 'another' : body.digest }));
    const shown = async (): Promise<Json> => (await home.hand(b, [])).body.heads.find((head: Json) => head.log === home.log);
    // Everybody was compared once.
    await write(person, b, 'org.example.first');
    await isAt(person, a, 'org.example.first');
    await eventually(async () => (await home.hand(b, [])).status === 200 && (await homeAt(person, b, evil.name)).ops_behind === 0);
    await b.get(OperationExchange).idle();
    isFar = true;
    await home.hand(b, [], { heads: [far] });
    await eventually(() => copies > 0 && compared > 0);
    // A has been compared since.
    await write(person, b, 'org.example.compared');
    await isAt(person, a, 'org.example.compared');
    expect(await shown()).toBeUndefined();
    release();
    await eventually(async () => (await shown())?.n === 50);
  }, 60_000);

  it('is of a forked log, of which much is gone: a home that comes then takes it, and compares it a few times', async () => {
    const { person, home } = await victim('forked.gone', a, evil);
    const base = home.op('account_data', 'org.example.base', '{}', { ms: 1 });
    const one = home.op('account_data', 'org.example.word', '{"word":1}', { prev: base, ms: 9 });
    const other = home.op('account_data', 'org.example.word', '{"word":2}', { prev: base, ms: 10 });
    const filler = home.op('account_data', 'org.example.filler', '{}', { prev: one, ms: 2 });
    const more = home.op('account_data', 'org.example.word', '{"word":3}', { prev: filler, ms: 8 });
    const last = home.op('account_data', 'org.example.filler', '{}', { prev: more, ms: 3 });
    await home.hand(a, [base, one, filler, more, last]);
    await home.hand(a, [other], { heads: [home.head(last), home.head(other)] });
    await eventually(async () => (await homes(person, a)).logs[home.log]?.forked);
    await a.get(Database).query(statement('test.purge', `DELETE FROM account_ops o WHERE o.user_id = $1 AND NOT EXISTS (
      SELECT 1 FROM account_op_items i WHERE i.user_id = o.user_id AND i.kind = o.kind AND i.op_key = o.op_key AND i.log = o.log AND i.line = o.line AND i.n = o.n)`), [person.userId]);
    const exchange = a.get(DigestExchange);
    const answer = exchange.answer.bind(exchange);
    let compared = 0;
    exchange.answer = (...given) => {
      compared++;
      return answer(...given);
    };
    try {
      await person.addHome(b, { through: a });
      await isAt(person, b, 'org.example.base');
      for (let i = 0; i < 5; i++) {
        await write(person, a, `org.example.after.${i}`);
        await isAt(person, b, `org.example.after.${i}`);
        await write(person, b, `org.example.back.${i}`);
        await isAt(person, a, `org.example.back.${i}`);
      }
      await Promise.all([a, b].map((server) => server.get(OperationExchange).idle()));
      expect(compared).toBeLessThan(60);
      // The copy knows one line only: what the homes show is the same, or the difference is named.
      const [atA, atB] = await Promise.all([a, b].map(async (server) => JSON.stringify(await read(person, server, 'org.example.word'))));
      if (atA !== atB) expect((await homeAt(person, b, a.name)).unequal).toEqual(['account_data']);
    } finally {
      exchange.answer = answer;
    }
  }, 60_000);
});
