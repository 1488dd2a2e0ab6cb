import type { AccountOperation } from '../../libs/federation/src/index.js';
import { eventually } from '../network/eventually.js';
import { Network } from '../network/network.js';
import type { Json } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';
import { HostileServer } from './hostile-server.js';
import { victim } from './victim.js';

let net: Network;
let a: TestServer;
let evil: HostileServer;

beforeAll(async () => {
  net = await Network.start({ servers: ['a'] });
  [a, evil] = [net.server('a'), await HostileServer.start()];
});
afterAll(async () => {
  await evil?.stop();
  await net?.stop();
});

it('of an account are few however many a home of it tells of', async () => {
  const { person, home } = await victim('pushed', a, evil);
  const ops: AccountOperation[] = [];
  for (let i = 0; i < 150; i++) {
    const value = {
      kind: 'http', device_id: null, app_display_name: 'x', device_display_name: 'x', profile_tag: '', lang: 'en', data: '{"url":"https://push.example/_matrix/push/v1/notify"}',
      set_ts: 1_000 + i, vapid_key: null, is_active: true,
    };
    ops.push(home.op('pusher', JSON.stringify(['org.example.app', `key ${i}`]), value, { prev: ops.at(-1) ?? null }));
  }
  const keys = async (): Promise<string[]> => (await person.at(a).request('GET', '/v3/pushers')).pushers.map((one: Json) => one.pushkey);
  for (const part of [ops.slice(0, 50), ops.slice(50, 100), ops.slice(100)]) expect((await home.hand(a, part)).body.refused).toEqual([]);
  await eventually(async () => (await keys()).includes('key 149'));
  expect((await keys()).length).toBe(100);
  expect(await keys()).not.toContain('key 49');
});
