import { Network } from '../network/network.js';
import type { Json, TestClient } from '../network/test-client.js';
import { sync } from './test-keys.js';

const rules = '/v3/pushrules/global';

describe('push rules', () => {
  let net: Network;
  let alice: TestClient;
  beforeAll(async () => {
    net = await Network.start({ servers: ['a'] });
  });
  beforeEach(async () => {
    alice = await net.client().register(`alice${Math.floor(performance.now() * 1000)}`);
  });
  afterAll(() => net.stop());

  const ids = async (kind: string): Promise<string[]> => (await alice.request('GET', `${rules}/`))[kind].map((rule: Json) => rule.rule_id);

  it('are the predefined ones at first', async () => {
    const all = await alice.request('GET', '/v3/pushrules/');
    expect(Object.keys(all.global).sort()).toEqual(['content', 'override', 'room', 'sender', 'underride']);
    expect(await ids('underride')).toEqual([
      '.m.rule.call', '.m.rule.encrypted_room_one_to_one', '.m.rule.room_one_to_one', '.m.rule.message', '.m.rule.encrypted',
    ]);
    expect(await alice.request('GET', `${rules}/override/.m.rule.master`)).toEqual({
      rule_id: '.m.rule.master', default: true, enabled: false, conditions: [], actions: [],
    });
    const invite = await alice.request('GET', `${rules}/override/.m.rule.invite_for_me`);
    expect(invite.conditions).toContainEqual({ kind: 'event_match', key: 'state_key', pattern: alice.userId });
  });

  it('take own rules, most important first, where they are told', async () => {
    const put = (id: string, query = {}) =>
      alice.request('PUT', `${rules}/content/${id}`, { pattern: id, actions: ['notify', 'dont_notify'] }, { query });
    await put('one');
    await put('two');
    await put('before-one', { before: 'one' });
    await put('after-two', { after: 'two' });
    expect(await ids('content')).toEqual(['two', 'after-two', 'before-one', 'one']);
    expect(await alice.request('GET', `${rules}/content/one`)).toEqual({
      rule_id: 'one', default: false, enabled: true, pattern: 'one', actions: ['notify'],
    });
    await put('two', { after: 'one' });
    expect(await ids('content')).toEqual(['after-two', 'before-one', 'one', 'two']);
    await alice.expectError(400, 'M_UNKNOWN', 'PUT', `${rules}/content/x`, { pattern: 'x', actions: [] }, { query: { before: 'nothing' } });
    await alice.request('PUT', `${rules}/override/mine`, { actions: [], conditions: [{ kind: 'org.example.unknown' }] });
    expect((await ids('override')).slice(0, 2)).toEqual(['.m.rule.master', 'mine']);
  });

  it('are changed under the same id, and stay disabled', async () => {
    await alice.request('PUT', `${rules}/content/cake`, { pattern: 'cake', actions: ['notify'] });
    await alice.request('PUT', `${rules}/content/cake/enabled`, { enabled: false });
    await alice.request('PUT', `${rules}/content/cake`, { pattern: 'lie', actions: [] });
    expect(await alice.request('GET', `${rules}/content/cake`)).toMatchObject({ pattern: 'lie', enabled: false, actions: [] });
    expect(await alice.request('GET', `${rules}/content/cake/enabled`)).toEqual({ enabled: false });
    await alice.request('DELETE', `${rules}/content/cake`);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${rules}/content/cake`);
    await alice.expectError(404, 'M_NOT_FOUND', 'DELETE', `${rules}/content/cake`);
  });

  it('that are predefined can be changed and reset, but not replaced', async () => {
    const path = `${rules}/underride/.m.rule.message`;
    await alice.request('PUT', `${path}/actions`, { actions: [] });
    await alice.request('PUT', `${path}/enabled`, { enabled: false });
    expect(await alice.request('GET', path)).toMatchObject({ enabled: false, actions: [], default: true });
    expect(await alice.request('GET', `${path}/actions`)).toEqual({ actions: [] });
    await alice.request('DELETE', path);
    expect(await alice.request('GET', path)).toMatchObject({ enabled: true, actions: ['notify'] });
    await alice.expectError(400, 'M_INVALID_PARAM', 'PUT', path, { actions: [] });
  });

  it('arrive by sync as a whole', async () => {
    const { next_batch: since } = await sync(alice);
    const waiting = sync(alice, since, 20_000);
    await alice.request('PUT', `${rules}/room/${encodeURIComponent('!quiet:example.org')}`, { actions: [] });
    const [event, ...others] = (await waiting).account_data.events;
    expect(others).toEqual([]);
    expect(event.type).toBe('m.push_rules');
    expect(event.content.global.room).toEqual([{ rule_id: '!quiet:example.org', default: false, enabled: true, actions: [] }]);
    expect(event.content.global.override[0].rule_id).toBe('.m.rule.master');
  });

  it('refuse what is malformed', async () => {
    const bad = (path: string, body: Json, errcode = 'M_INVALID_PARAM') => alice.expectError(400, errcode, 'PUT', path, body);
    const good = { actions: ['notify'], pattern: 'x' };
    await bad('/v3/pushrules/device/content/x', good);
    await bad(`${rules}/nonsense/x`, good);
    await bad(`${rules}/content/.x`, good);
    await bad(`${rules}/content/a%2Fb`, good);
    await bad(`${rules}/content/a%5Cb`, good);
    await bad(`${rules}/content/x`, { actions: ['notify'] }, 'M_MISSING_PARAM');
    await bad(`${rules}/content/x`, { pattern: 'x' }, 'M_MISSING_PARAM');
    await bad(`${rules}/content/x`, { ...good, actions: ['explode'] }, 'M_BAD_JSON');
    await bad(`${rules}/override/x`, { actions: [], conditions: [{}] }, 'M_BAD_JSON');
    await bad(`${rules}/override/.m.rule.master/enabled`, { enabled: 'yes' }, 'M_BAD_JSON');
    await alice.expectError(404, 'M_NOT_FOUND', 'PUT', `${rules}/content/none/enabled`, { enabled: true });
    await alice.expectError(404, 'M_NOT_FOUND', 'PUT', `${rules}/override/.m.rule.none/actions`, { actions: [] });
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/pushrules/device/');
    await alice.expectError(404, 'M_UNRECOGNIZED', 'GET', '/v3/pushrules');
    for (const path of [rules, `${rules}/room`]) await alice.expectError(400, 'M_INVALID_PARAM', 'GET', path);
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `${rules}/nonsense/x`);
    await alice.expectError(400, 'M_INVALID_PARAM', 'GET', `${rules}/override/.m.rule.master/colour`);
    expect(await ids('content')).toEqual([]);
  });

  it('lose nothing when they are changed at the same time', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `rule${i}`);
    await Promise.all(names.map((name) => alice.request('PUT', `${rules}/content/${name}`, { pattern: name, actions: [] })));
    expect((await ids('content')).sort()).toEqual([...names].sort());
  });
});
