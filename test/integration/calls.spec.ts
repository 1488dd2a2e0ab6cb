import { createHmac } from 'node:crypto';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';

let net: Network;
let alice: TestClient;
let bare: TestClient;
beforeAll(async () => {
  net = await Network.start({
    servers: ['a', 'bare'],
    configs: { a: { turnUris: ['turn:turn.example.org?transport=udp'], turnSecret: 'shared', livekitUrl: 'https://rtc.example.org', contact: { support_page: 'https://example.org' } } },
  });
  [alice, bare] = await Promise.all([net.client('a').register('alice'), net.client('bare').register('alice')]);
});
afterAll(() => net.stop());

it('credentials of the TURN server follow from its secret', async () => {
  const { username, password, uris, ttl } = await alice.request('GET', '/v3/voip/turnServer');
  const [expiry, userId] = [Number(username.slice(0, username.indexOf(':'))), username.slice(username.indexOf(':') + 1)];
  expect(userId).toBe(alice.userId);
  expect(Math.abs(expiry - Date.now() / 1000 - ttl)).toBeLessThan(600);
  expect(password).toBe(createHmac('sha1', 'shared').update(username).digest('base64'));
  expect(uris).toEqual(['turn:turn.example.org?transport=udp']);
  await bare.expectError(404, 'M_NOT_FOUND', 'GET', '/v3/voip/turnServer');
});

it('the media server of calls of many is told to apps', async () => {
  const livekit = [{ type: 'livekit', livekit_service_url: 'https://rtc.example.org' }];
  expect(await alice.request('GET', '/unstable/org.matrix.msc4143/rtc/transports')).toEqual({ rtc_transports: livekit });
  expect((await alice.request('GET', '/.well-known/matrix/client'))['org.matrix.msc4143.rtc_foci']).toEqual(livekit);
  expect(await bare.request('GET', '/unstable/org.matrix.msc4143/rtc/transports')).toEqual({ rtc_transports: [] });
});

it('who answers for the server is said where the operator has said it', async () => {
  expect(await alice.request('GET', '/.well-known/matrix/support')).toEqual({ support_page: 'https://example.org' });
  await bare.expectError(404, 'M_NOT_FOUND', 'GET', '/.well-known/matrix/support');
  await bare.expectError(404, 'M_NOT_FOUND', 'GET', '/.well-known/matrix/policy_server');
});

it('a server without bridges knows no other networks', async () => {
  expect(await alice.request('GET', '/v3/thirdparty/protocols')).toEqual({});
  for (const path of ['protocol/irc', 'location/irc', 'user/irc', 'location?alias=%23a%3Ab', 'user?userid=%40a%3Ab']) {
    await alice.expectError(404, 'M_NOT_FOUND', 'GET', `/v3/thirdparty/${path}`);
  }
});
