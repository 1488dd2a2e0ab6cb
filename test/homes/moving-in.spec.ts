import { AccountOps, type AccountOpApplier, type AccountOpKind } from '../../apps/homeserver/src/accounts/account-ops.js';
import { Arrivals } from '../../apps/homeserver/src/homes/attach/arrivals.js';
import { OperationExchange } from '../../apps/homeserver/src/homes/ops/operation-exchange.js';
import { atMost } from '../../apps/homeserver/src/observability/at-most.js';
import { HostileHome } from '../hostile/hostile-home.js';
import { HostileServer } from '../hostile/hostile-server.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import { homesPath, Person } from '../network/person.js';
import type { Json, TestClient } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { dataPath } from './written.js';

// What happens at a new home while it takes the account's copy (protocol §4): nothing of it is lost.
let net: Network;
let a: TestServer;
let b: TestServer;
let other: HostileServer;
beforeAll(async () => {
  net = await Network.start({ servers: ['a', 'b'] });
  [a, b] = net.servers as [TestServer, TestServer];
  other = await HostileServer.start();
});
afterAll(async () => {
  await other.stop();
  await net.stop();
});

const read = (client: TestClient, type: string): Promise<Json> => client.request('GET', dataPath(client, type));

/** Lets something happen in the middle of what a server does with a kind of an account's data. */
function around<K extends 'apply' | 'snapshot'>(kind: AccountOpKind, step: K, between: (next: () => Promise<unknown>, given: unknown) => Promise<unknown>): () => void {
  const applier = b.get(AccountOps).applier(kind)! as { -readonly [M in keyof AccountOpApplier]: AccountOpApplier[M] };
  const before = applier[step];
  applier[step] = ((given: never) => between(() => before(given), given)) as AccountOpApplier[K];
  return () => void (applier[step] = before);
}

/** Publishes a record that makes B a home. */
async function moveIn(person: Person): Promise<void> {
  await person.publish(person.next({ add: [{ ...(await person.offer(b)), priority: 10 }] }), b);
}

describe('a new home that takes the account', () => {
  it('keeps what another home tells it meanwhile', async () => {
    const alice = await Person.named('alice', a);
    const home = new HostileHome(other, alice.userId);
    await alice.publish(alice.next({ add: [home.entry] }), a);
    await alice.at(a).request('PUT', dataPath(alice.at(a), 'org.example.old'), { from: 'before' });
    let applied = (): void => undefined;
    const isApplied = new Promise<void>((resolve) => (applied = resolve));
    let handed: Promise<unknown> | undefined;
    const restore = [
      // It has been told, and is about to note it, when it looks for what nobody has written.
      around('account_data', 'snapshot', async (next) => {
        handed ??= home.hand(b, [home.op('account_data', 'org.example.beside', '{"of":"another"}')]);
        await atMost(isApplied, 1_000, undefined);
        return next();
      }),
      around('account_data', 'apply', async (next, given) => {
        await next();
        if ((given as { key: string }).key !== 'org.example.beside') return;
        applied();
        await atMost(b.get(Arrivals).idle(), 1_000, undefined);
      }),
    ];
    await moveIn(alice);
    await eventually(() => handed);
    await b.get(Arrivals).idle();
    await handed;
    for (const one of restore) one();
    const client = await alice.login(b);
    expect(await read(client, 'org.example.beside')).toEqual({ of: 'another' });
    expect(await read(client, 'org.example.old')).toEqual({ from: 'before' });
  });

  it('keeps the session of who logs in meanwhile', async () => {
    const carol = await Person.named('carol', a);
    let login: Promise<TestClient> | undefined;
    const kinds = [...b.get(AccountOps).kinds()].filter(([kind, { merge }]) => kind !== 'device' && merge !== 'own').map(([kind]) => kind);
    // When it looks at devices, and at the latest when it looks at the last kind.
    const restore = (['device', kinds.at(-1)!] as const).map((kind) => around(kind, 'snapshot', async (next) => {
      await (login ??= carol.login(b));
      return next();
    }));
    await moveIn(carol);
    await eventually(() => login);
    await b.get(Arrivals).idle();
    for (const one of restore) one();
    const { homes } = await carol.at(b).request('GET', `${homesPath}/account/homes`);
    expect(homes).toHaveLength(2);
  });
});

describe('a home that differs', () => {
  it('is named, unless it only lacks what was just written', async () => {
    const dave = await Person.named('dave', a);
    const home = new HostileHome(other, dave.userId);
    await dave.publish(dave.next({ add: [home.entry] }), a);
    const differing = Array.from({ length: 256 }, (_, i) => i);
    let shown: (heads: Json[]) => Json[] = () => [];
    let heads: Json[] = [];
    let compared = 0;
    other.on(new RegExp(`account/${dave.userId}/digest`), () => ({ heads: shown(heads), differing, ops: [], round: ++compared }));
    const unequal = async (): Promise<Json> => {
      compared = 0;
      // It shows that it has all that there is, which may become more while the account's first operations are written.
      await eventually(async () => {
        ({ heads } = (await other.raw(a, 'POST', `${home.opsPath}/missing`, { since: {} })).body);
        await home.hand(a, [], { heads, digest: 'another' });
        await a.get(OperationExchange).idle();
        return compared >= 2;
      });
      await a.get(OperationExchange).idle();
      const answer = await dave.at(a).request('GET', `${homesPath}/account/homes`);
      return answer.homes.find((one: Json) => one.server_name === other.name).unequal;
    };
    expect(await unequal()).toBeUndefined();
    shown = (all) => all;
    expect(await unequal()).toContain('device');
  });
});
