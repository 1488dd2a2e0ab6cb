import { FakeNetwork } from './fake-network.js';
import type { AppBody } from './fake-network.js';
import type { FakeHome } from './fake-home.js';

let network: FakeNetwork;
let a: FakeHome;
let b: FakeHome;

beforeEach(async () => {
  network = await FakeNetwork.start(['a.example', 'b.example']);
  [a, b] = network.homes as [FakeHome, FakeHome];
});
afterEach(() => network.stop());

const ids = (body: AppBody): unknown[] => (body.to_device?.events ?? []).map((event) => (event as Record<string, unknown>)['io.partyline.id']);
const say = (body: string): void => void network.room.add('@bob:b', { body });

describe('sync', () => {
  it('asks for the frontier, and gives the app neither that nor a bare token', async () => {
    say('1');
    const { next, body } = await network.sync();
    expect(a.to('/sync')[0]?.query.get('io.partyline.frontier')).toBe('true');
    expect(Object.keys(body).filter((key) => key.startsWith('io.partyline'))).toEqual([]);
    expect(next).toBe('pl1~a.example~1~a.example:1');
    await network.sync(next);
    expect(a.to('/sync')[1]?.query.get('since')).toBe('a.example:1');
  });

  it('goes on at the next home exactly where it was, without time passing, when its home is killed', async () => {
    say('1');
    say('2');
    const { next } = await network.sync();
    const poll = network.sync(next, 30_000);
    await a.saw(({ path }) => path.endsWith('/sync'), 2);
    say('3');
    const before = network.clock.now();
    await a.kill();
    expect((await poll).texts).toEqual(['3']);
    expect(network.clock.now()).toBe(before);
    expect(JSON.parse(b.to('/sync/resume')[0]?.body ?? '')).toEqual({ rooms: { '!room:example': ['$2'] }, account: { 'a.example': 1 }, to_device: [] });
  });

  it('goes on within six seconds when its home is frozen', async () => {
    say('1');
    const { next } = await network.sync();
    const poll = network.sync(next, 30_000);
    await a.saw(({ path }) => path.endsWith('/sync'), 2);
    a.freeze();
    say('2');
    const before = network.clock.now();
    await network.clock.advance(4_000);
    expect((await poll).texts).toEqual(['2']);
    expect(network.clock.now() - before).toBeLessThan(6_000);
    expect(network.router.homes().map(({ view, current }) => [view.state, current])).toEqual([['down', false], ['healthy', true]]);
  });

  it('waits out a long poll of a living home', async () => {
    say('1');
    const { next } = await network.sync();
    const poll = network.sync(next, 30_000);
    await a.saw(({ path }) => path.endsWith('/sync'), 2);
    for (let second = 1; second <= 29; second++) {
      await network.clock.advance(1_000);
      while (network.router.homes()[0]!.view.lastContact < network.clock.now()) await new Promise((resolve) => setImmediate(resolve));
    }
    say('2');
    a.wake();
    expect((await poll).texts).toEqual(['2']);
    expect(b.seen).toEqual([]);
  });

  it('leaves a home whose database is gone though it answers the probe', async () => {
    say('1');
    const { next } = await network.sync();
    a.answer = ({ path }) => (path.endsWith('/sync') ? { status: 500, body: {} } : undefined);
    say('2');
    expect((await network.sync(next)).texts).toEqual(['2']);
    expect(network.router.homes()[0]?.view.state).toBe('down');
  });

  it('stays when one poll breaks and the home is well', async () => {
    say('1');
    const { next } = await network.sync();
    let broken = 0;
    a.answer = ({ path }) => (path.endsWith('/sync') && broken++ === 0 ? 'die' : undefined);
    say('2');
    expect((await network.sync(next)).texts).toEqual(['2']);
    expect(b.seen).toEqual([]);
  });

  it('does not take the page of a captive portal for an answer', async () => {
    say('1');
    const { next } = await network.sync();
    a.answer = ({ path }) => (path.endsWith('/sync') ? { status: 200, body: 'welcome' } : undefined);
    say('2');
    expect((await network.sync(next)).texts).toEqual(['2']);
    expect(b.to('/sync')).toHaveLength(1);
  });

  it('gives again what the app lost in a restart, at another home too', async () => {
    say('1');
    const saved = await network.sync();
    say('2');
    const lost = await network.sync(saved.next);
    say('3');
    await network.sync(lost.next);
    await network.startClient();
    await a.kill();
    expect((await network.sync(saved.next)).texts).toEqual(['2', '3']);
  });

  it('does not count as seen what was in an answer that the app never got', async () => {
    say('1');
    const { next } = await network.sync();
    say('2');
    b.replicated = 1;
    await network.sync(next);
    // The app asks again with the same token, as if that answer had been lost; B does not have the event yet.
    await network.router.pick('b.example');
    const second = await network.sync(next);
    expect(second.texts).toEqual([]);
    await network.router.pick('a.example');
    expect((await network.sync(second.next)).texts).toEqual(['2']);
  });

  it('drops what the app has already when a home repeats it', async () => {
    say('1');
    say('2');
    const { next } = await network.sync();
    say('3');
    await a.kill();
    // A home that resumes too early.
    b.answer = ({ path }) => (path.endsWith('/sync/resume') ? { status: 200, body: { since: 'b.example:0' } } : undefined);
    expect((await network.sync(next)).texts).toEqual(['3']);
  });

  it('does not thin out a limited timeline', async () => {
    say('1');
    const { next } = await network.sync();
    say('2');
    await a.kill();
    b.supportsResume = false;
    expect(await network.sync(next)).toMatchObject({ limited: true, texts: ['1', '2'] });
  });

  it('shows what a home that lags behind does not have yet, once it has it', async () => {
    say('1');
    say('2');
    const first = await network.sync();
    b.replicated = 1;
    await a.kill();
    const second = await network.sync(first.next);
    expect(second.texts).toEqual([]);
    say('3');
    b.replicated = 3;
    expect((await network.sync(second.next)).texts).toEqual(['3']);
  });

  it('delivers a message to the device once, though it lies at both homes, and two equal ones twice', async () => {
    for (const home of [a, b]) for (const id of ['m1', 'm2']) home.message(id, { ciphertext: 'x' });
    const first = await network.sync();
    expect(ids(first.body)).toEqual(['m1', 'm2']);
    await network.router.pick('b.example');
    b.message('m3', { ciphertext: 'x' });
    const second = await network.sync(first.next);
    expect(ids(second.body)).toEqual(['m3']);
    await network.router.pick('a.example');
    // Neither home has heard from the other.
    a.message('m3', { ciphertext: 'x' });
    a.message('m4', { ciphertext: 'x' });
    expect(ids((await network.sync(second.next)).body)).toEqual(['m4']);
  });

  it('names messages until the home is known to know that they were received', async () => {
    const told = (): unknown => (JSON.parse(b.to('/sync/resume').at(-1)?.body ?? '{}') as { to_device?: unknown }).to_device;
    for (const home of [a, b]) home.message('m1', {});
    const first = await network.sync();
    const second = await network.sync(first.next);
    await network.router.pick('b.example');
    const third = await network.sync(second.next);
    expect(told()).toEqual(['m1']);
    await network.router.pick('a.example');
    const fourth = await network.sync(third.next);
    // What b told last did not hold what a had noted.
    await network.router.pick('b.example');
    b.vector = { 'a.example': 2 };
    const fifth = await network.sync(fourth.next);
    expect(told()).toEqual(['m1']);
    await network.router.pick('a.example');
    const sixth = await network.sync(fifth.next);
    await network.router.pick('b.example');
    await network.sync(sixth.next);
    expect(told()).toEqual([]);
  });

  it('goes to and fro without losing or repeating anything', async () => {
    const shown: string[] = [];
    let since: string | undefined;
    for (let i = 0; i < 12; i++) {
      say(String(i));
      await network.router.pick(i % 2 === 0 ? 'a.example' : 'b.example');
      if (i % 3 === 0) await network.startClient();
      const { next, texts } = await network.sync(since);
      since = next;
      shown.push(...texts);
    }
    expect(shown).toEqual(Array.from({ length: 12 }, (_, i) => String(i)));
    expect(a.to('/sync').length).toBeGreaterThan(3);
    expect(b.to('/sync').length).toBeGreaterThan(3);
  });
});

describe('filters', () => {
  it('hold at every home', async () => {
    const filter = { room: { timeline: { limit: 20 } } };
    const path = 'v3/user/%40alice%3Aexample/filter';
    const { body: { filter_id: id } } = await network.request('POST', path, filter);
    expect((await network.request('POST', path, filter)).body['filter_id']).toBe(id);
    const sync = (): Promise<unknown> => network.get(`v3/sync?timeout=0&filter=${id}`);
    await sync();
    expect(a.to('/sync')[0]?.query.get('filter')).toBe('1');
    await a.kill();
    await sync();
    expect(JSON.parse(b.to('/filter')[0]?.body ?? '')).toEqual(filter);
    expect(b.to('/sync')[0]?.query.get('filter')).toBe('0');
    expect((await network.get(`${path}/${id}`)).body).toEqual(filter);
    expect(b.to('/filter')).toHaveLength(1);
    const inline = JSON.stringify(filter);
    await network.get(`v3/sync?timeout=0&filter=${encodeURIComponent(inline)}`);
    expect(b.to('/sync')[1]?.query.get('filter')).toBe(inline);
  });
});

describe('paging back', () => {
  const page = (from?: string): Promise<{ body: AppBody }> => {
    const query = new URLSearchParams({ dir: 'b', limit: '2', ...(from === undefined ? {} : { from }) });
    return network.get(`v3/rooms/${encodeURIComponent(network.room.roomId)}/messages?${query.toString()}`);
  };
  const texts = (body: AppBody): string[] => (body.chunk ?? []).map((event) => event.content.body);

  it('goes on at another home from the event where it was', async () => {
    for (let i = 1; i <= 6; i++) say(String(i));
    const { next } = await network.sync();
    say('7');
    const { body } = await network.sync(next);
    const { body: first } = await page(body.rooms?.join?.['!room:example']?.timeline.prev_batch);
    expect(texts(first)).toEqual(['6', '5']);
    await a.kill();
    const { body: second } = await page(first['end']);
    // The new home's token stands before event 5.
    expect(texts(second)).toEqual(['4', '3']);
    const { body: third } = await page(second['end']);
    expect(texts(third)).toEqual(['2', '1']);
    expect(third['end']).toBeUndefined();
  });

  it('asks the home that gave the token as long as it lives', async () => {
    for (let i = 1; i <= 4; i++) say(String(i));
    const { body: first } = await page();
    await network.router.pick('b.example');
    await network.get('v3/account/whoami');
    expect(texts((await page(first['end'])).body)).toEqual(['2', '1']);
    expect(a.to('/messages')).toHaveLength(2);
    expect(b.to('/messages')).toHaveLength(0);
  });
});

describe('one-time keys', () => {
  const keys = (...ids: string[]): object => ({ one_time_keys: Object.fromEntries(ids.map((id) => [`signed_curve25519:${id}`, { key: id }])) });
  const uploaded = (home: FakeHome): string[][] =>
    home.to('/keys/upload').map(({ body }) => Object.keys(JSON.parse(body).one_time_keys).map((id) => id.split(':')[1] ?? ''));

  it('never lie at two homes', async () => {
    await network.request('POST', 'v3/keys/upload', keys('1', '2'));
    a.answer = ({ path }) => (path.endsWith('/keys/upload') ? 'die' : undefined);
    await network.request('POST', 'v3/keys/upload', keys('3', '4'));
    expect(uploaded(b)).toEqual([[]]);
    await network.startClient();
    await network.router.pick('b.example');
    await network.request('POST', 'v3/keys/upload', { ...keys('3', '4', '5'), device_keys: { user_id: 'x' } });
    expect(uploaded(b)).toEqual([[], ['5']]);
    expect(JSON.parse(b.to('/keys/upload')[1]?.body ?? '').device_keys).toEqual({ user_id: 'x' });
    // The first batch was answered, and is no longer in doubt: only the client may decide to send it again.
    await network.request('POST', 'v3/keys/upload', keys('1'));
    expect(uploaded(b)).toEqual([[], ['5'], ['1']]);
  });
});
