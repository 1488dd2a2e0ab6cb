import { FakeNetwork } from './fake-network.js';
import type { FakeHome } from './fake-home.js';

let network: FakeNetwork;
let a: FakeHome;
let b: FakeHome;

beforeEach(async () => {
  network = await FakeNetwork.start(['a.example', 'b.example']);
  [a, b] = network.homes as [FakeHome, FakeHome];
});
afterEach(() => network.stop());

describe('a write', () => {
  it('goes to the home of best priority, with that home\'s token and the txn of the device', async () => {
    const { status, body } = await network.send('hello');
    expect([status, body['event_id']]).toEqual([200, '$1']);
    const [request] = await a.saw((seen) => seen.method === 'PUT');
    expect(request?.token).toBe('token of a.example 1');
    expect(request?.query.get('io.partyline.txn')).toMatch(/^[\w-]{22}$/);
    expect(b.seen).toEqual([]);
  });

  it('is repeated at the next home without waiting when its home is dead', async () => {
    await network.send('before');
    await a.kill();
    const { body } = await network.send('after');
    expect(body['event_id']).toBe('$2');
    expect(b.to('/send/m.room.message/after')[0]?.token).toBe('token of b.example 1');
  });

  it('is done once when its home dies after storing it', async () => {
    a.answer = ({ method }) => (method === 'PUT' ? 'store and die' : undefined);
    const { body } = await network.send('once');
    expect(network.room.events.map((event) => event.content.body)).toEqual(['once']);
    expect(body['event_id']).toBe('$1');
    const txn = (home: FakeHome): unknown => home.to('/once')[0]?.query.get('io.partyline.txn');
    expect(txn(b)).toBe(txn(a));
  });

  it('goes on after four seconds of silence', async () => {
    a.answer = ({ method }) => (method === 'PUT' ? 'hang' : undefined);
    const sent = network.send('slow');
    await a.saw(({ method }) => method === 'PUT');
    await network.clock.advance(3_999);
    expect(b.seen).toEqual([]);
    await network.clock.advance(1);
    expect((await sent).status).toBe(200);
    expect(b.to('/slow')).toHaveLength(1);
  });

  it('waits five seconds longer for other servers to store it', async () => {
    await network.startClient({ replicas: 2 });
    a.answer = ({ method }) => (method === 'PUT' ? 'hang' : undefined);
    const sent = network.send('safe');
    const [request] = await a.saw(({ method }) => method === 'PUT');
    expect(request?.query.get('io.partyline.replicas')).toBe('2');
    for (let second = 1; second <= 8; second++) {
      await network.clock.advance(1_000);
      await a.saw(({ path }) => path.endsWith('/versions'), second);
      await answered(second);
    }
    expect(b.seen).toEqual([]);
    await network.clock.advance(1_000);
    expect((await sent).status).toBe(200);
  });

  it('passes errors of the app on, and 429 without blaming the home', async () => {
    await network.send('first');
    for (const [status, errcode] of [[400, 'M_BAD_JSON'], [403, 'M_FORBIDDEN'], [429, 'M_LIMIT_EXCEEDED'], [404, 'M_NOT_FOUND']] as const) {
      a.answer = ({ method }) => (method === 'PUT' ? { status, body: { errcode } } : undefined);
      expect(await network.send('wrong')).toEqual({ status, body: { errcode } });
    }
    expect(network.router.homes()[0]?.view.state).toBe('healthy');
    expect(b.seen).toEqual([]);
  });

  it('is repeated elsewhere after a server error, and shows it when all have it', async () => {
    const broken = { status: 500, body: { errcode: 'M_UNKNOWN' } };
    a.answer = ({ method }) => (method === 'PUT' ? broken : undefined);
    expect((await network.send('x')).status).toBe(200);
    b.answer = a.answer;
    expect(await network.send('y')).toEqual(broken);
  });

  it('has a txn of its own per request where the path has no transaction id', async () => {
    await network.request('PUT', 'v3/rooms/!r/state/m.room.topic/', { topic: '1' });
    await network.request('PUT', 'v3/rooms/!r/state/m.room.topic/', { topic: '1' });
    const [first, second] = a.to('/state/m.room.topic/').map(({ query }) => query.get('io.partyline.txn'));
    expect(first).toMatch(/^[\w-]{22}$/);
    expect(second).not.toBe(first);
  });

  it('fails like fetch when no home is there', async () => {
    await a.kill();
    await b.kill();
    await expect(network.send('x')).rejects.toThrow(TypeError);
  });

  it('ends with the app\'s own signal, and blames nobody', async () => {
    a.answer = ({ method }) => (method === 'PUT' ? 'hang' : undefined);
    const controller = new AbortController();
    const sent = network.request('PUT', 'v3/rooms/!r/send/m.room.message/x', {}, controller.signal);
    await a.saw(({ method }) => method === 'PUT');
    controller.abort();
    await expect(sent).rejects.toThrow(/aborted/);
    expect(network.router.homes()[0]?.view.state).toBe('healthy');
    expect(b.seen).toEqual([]);
  });
});

describe('a request that must not be done twice', () => {
  it('is not repeated once it may have arrived', async () => {
    await network.send('warm');
    a.answer = ({ path }) => (path.endsWith('/createRoom') ? 'die' : undefined);
    await expect(network.request('POST', 'v3/createRoom', {})).rejects.toThrow(TypeError);
    expect(a.to('/createRoom')).toHaveLength(1);
    expect(b.to('/createRoom')).toEqual([]);
  });

  it('shows a server error instead of trying elsewhere', async () => {
    a.answer = ({ path }) => (path.endsWith('/createRoom') ? { status: 500, body: {} } : undefined);
    expect((await network.request('POST', 'v3/createRoom', {})).status).toBe(500);
    expect(b.to('/createRoom')).toEqual([]);
  });

  it('goes elsewhere when its home refuses connections', async () => {
    await network.send('warm');
    await a.kill();
    // The connection of before breaks, which does not tell what has become of the request; the next one is refused.
    await expect(network.request('POST', 'v3/createRoom', {})).rejects.toThrow(TypeError);
    expect((await network.request('POST', 'v3/createRoom', {})).status).toBe(200);
    expect(b.to('/createRoom')).toHaveLength(1);
  });

  it('is not risked on a home that has not answered for a while', async () => {
    await network.send('warm');
    await network.clock.advance(10_000);
    a.freeze();
    const created = network.request('POST', 'v3/createRoom', {});
    await a.saw(({ path }) => path.endsWith('/versions'));
    await network.clock.advance(2_000);
    expect((await created).status).toBe(200);
    expect(a.to('/createRoom')).toEqual([]);
    expect(b.to('/createRoom')).toHaveLength(1);
  });
});

describe('logging in', () => {
  it('uses the same device at every home, once for requests that come together', async () => {
    await Promise.all([network.send('1'), network.send('2'), network.send('3')]);
    await network.router.warmUp();
    expect(a.to('/v3/login')).toHaveLength(1);
    const devices = [a, b].map((home) => JSON.parse(home.to('/v3/login')[0]?.body ?? '{}').device_id);
    expect(devices).toEqual(['PHONE', 'PHONE']);
    await network.startClient();
    await network.send('4');
    expect(a.to('/v3/login')).toHaveLength(1);
  });

  it('is done again when the token is unknown, unseen by the app', async () => {
    await network.send('1');
    a.revokeTokens();
    expect((await network.send('2')).status).toBe(200);
    expect(a.to('/v3/login')).toHaveLength(2);
    expect(network.router.homes()[0]?.view.state).toBe('healthy');
  });

  it('leaves 401 of user-interactive authentication to the app', async () => {
    const flows = { status: 401, body: { flows: [{ stages: ['m.login.password'] }], session: 's' } };
    a.answer = ({ path }) => (path.endsWith('/delete_devices') ? flows : undefined);
    expect(await network.request('POST', 'v3/delete_devices', {})).toEqual(flows);
    expect(a.to('/v3/login')).toHaveLength(1);
  });

  it.each([
    [403, 'M_USER_SUSPENDED', 'suspended'],
    [403, 'M_USER_DEACTIVATED', 'deactivated'],
    [401, 'M_USER_LOCKED', 'locked'],
  ])('leaves a home after %i %s and tells the person', async (status, errcode, reason) => {
    a.answer = ({ method }) => (method === 'PUT' ? { status, body: { errcode } } : undefined);
    expect((await network.send('x')).status).toBe(200);
    await network.clock.advance(3_600_000);
    await network.send('y');
    expect(a.to('/y')).toEqual([]);
    expect(network.events).toContainEqual(expect.objectContaining({ type: 'health', serverName: 'a.example', view: expect.objectContaining({ state: 'left', reason }) }));
  });

  it('passes a home over that refuses to log in, for five minutes', async () => {
    a.answer = ({ path }) => (path.endsWith('/v3/login') ? { status: 403, body: { errcode: 'M_FORBIDDEN' } } : undefined);
    await network.send('1');
    await network.send('2');
    expect([a.to('/v3/login').length, b.to('/2').length]).toEqual([1, 1]);
    a.answer = () => undefined;
    await network.clock.advance(5 * 60_000);
    // Back among the candidates, but the client stays where it is for its ten minutes.
    expect(network.router.homes()[0]?.view.state).toBe('unknown');
  });

  it('ends the app\'s session everywhere when its device was removed, and does not log in again elsewhere', async () => {
    await network.router.warmUp();
    a.revokeTokens();
    a.answer = ({ path }) => (path.endsWith('/v3/login') ? { status: 403, body: { errcode: 'IO_PARTYLINE_DEVICE_REMOVED' } } : undefined);
    for (let i = 0; i < 2; i++) {
      expect(await network.send('1')).toMatchObject({ status: 401, body: { errcode: 'M_UNKNOWN_TOKEN', soft_logout: false } });
    }
    expect([a.to('/v3/login').length, b.to('/v3/login').length, b.to('/1').length]).toEqual([2, 1, 0]);
    expect(network.router.homes().map((home) => home.loggedIn)).toEqual([false, false]);
    expect(network.events).toContainEqual({ type: 'removed', by: 'a.example' });
  });

  it('ends all sessions at logout', async () => {
    await network.router.warmUp();
    expect((await network.request('POST', 'v3/logout')).status).toBe(200);
    expect([a.to('/logout').length, b.to('/logout').length]).toEqual([1, 1]);
    expect(network.router.homes().map((home) => home.loggedIn)).toEqual([false, false]);
  });
});

describe('other requests', () => {
  it('go where the app addresses them', async () => {
    const elsewhere: string[] = [];
    await network.startClient({
      fetch: async (input) => {
        elsewhere.push(String(input));
        return new Response('{}');
      },
    });
    await network.router.fetch('https://identity.example/_matrix/identity/v2/hash_details');
    expect(elsewhere).toEqual(['https://identity.example/_matrix/identity/v2/hash_details']);
  });

  it('never carry the app\'s token, and none if the app sent none', async () => {
    await network.router.fetch('https://partyline.invalid/_matrix/client/versions');
    await network.get('v3/devices?access_token=of+the+app');
    expect(a.to('/versions')[0]?.token).toBeUndefined();
    expect(a.to('/devices')[0]?.query.has('access_token')).toBe(false);
    expect(a.to('/devices')[0]?.token).toBe('token of a.example 1');
  });
});

it('leaves no timer behind', async () => {
  await network.send('1');
  network.router.close();
  expect(network.clock.pending).toBe(0);
});

/** Resolves when the client has got the answers to so many probes of its first home. */
async function answered(probes: number): Promise<void> {
  const done = (): boolean => network.router.homes()[0]!.view.lastContact >= network.clock.now() && a.to('/versions').length >= probes;
  while (!done()) await new Promise((resolve) => setImmediate(resolve));
}
