import { METHOD_METADATA } from '@nestjs/common/internal';
import { ModulesContainer } from '@nestjs/core';
import { connect } from 'node:net';
import { authRuleOf } from '../../apps/homeserver/src/http/auth.decorator.js';
import { Network } from '../network/network.js';
import type { TestClient } from '../network/test-client.js';
import { HeldClock } from '../network/travelling-clock.js';

describe('HTTP', () => {
  let net: Network;
  let client: TestClient;
  beforeAll(async () => {
    // Time stands still, so that a busy machine is limited like another.
    net = await Network.start({ servers: ['a', 'limited'], configs: { limited: { rateLimits: true } }, clock: new HeldClock() });
    client = await net.client('a').register('alice');
  });
  afterAll(() => net.stop());

  it('has a rule of who may call on every route', () => {
    const without: string[] = [];
    let routes = 0;
    for (const module of net.server('a').get(ModulesContainer).values()) {
      for (const { metatype } of module.controllers.values()) {
        const prototype = (metatype as { prototype: Record<string, unknown> }).prototype;
        for (const name of Object.getOwnPropertyNames(prototype)) {
          const handler = Object.getOwnPropertyDescriptor(prototype, name)?.value as object | undefined;
          if (typeof handler !== 'function' || !Reflect.hasMetadata(METHOD_METADATA, handler)) continue;
          routes++;
          if (!authRuleOf(handler)) without.push(`${(metatype as { name: string }).name}.${name}`);
        }
      }
    }
    expect(routes).toBeGreaterThan(30);
    expect(without).toEqual([]);
  });

  describe('errors', () => {
    it('tell unknown paths from wrong methods', async () => {
      await client.expectError(404, 'M_UNRECOGNIZED', 'GET', '/v3/nonsense');
      await client.expectError(404, 'M_UNRECOGNIZED', 'POST', '/v3/nonsense', 'not JSON');
      await client.expectError(405, 'M_UNRECOGNIZED', 'DELETE', '/v3/login');
      await client.expectError(405, 'M_UNRECOGNIZED', 'POST', '/v3/profile/@a:b/displayname', {});
    });

    it('say what is wrong with a body', async () => {
      await client.expectError(400, 'M_NOT_JSON', 'POST', '/v3/login', '{"type":');
      await client.expectError(400, 'M_BAD_JSON', 'POST', '/v3/login', '[]');
      await client.expectError(400, 'M_BAD_JSON', 'POST', '/v3/login', '"text"');
      await client.expectError(400, 'M_MISSING_PARAM', 'POST', '/v3/login', '');
      await client.expectError(400, 'M_BAD_JSON', 'POST', '/v3/login', { type: 'm.login.password', device_id: 'NUL\0' });
      await client.expectError(413, 'M_TOO_LARGE', 'POST', '/v3/login', JSON.stringify({ type: 'x'.repeat(5_000_000) }));
      await client.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/profile/@a%00:b');
      await client.expectError(400, 'M_INVALID_PARAM', 'GET', '/v3/profile/%ff');
    });

    it('ask for a token before they look at the body', async () => {
      await client.expectError(401, 'M_MISSING_TOKEN', 'POST', '/v3/account/password', '{"broken', { anonymous: true });
      await client.expectError(401, 'M_UNKNOWN_TOKEN', 'POST', '/v3/account/password', '{"broken', { headers: { authorization: 'Bearer nonsense' } });
      await client.expectError(401, 'M_MISSING_TOKEN', 'GET', '/v3/account/whoami', undefined, { headers: { authorization: 'Basic nonsense' } });
    });

    it('come with 413 for bodies that do not tell their size', async () => {
      const { port } = new URL(net.server('a').url);
      const status = await new Promise<string>((resolve, reject) => {
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write('POST /_matrix/client/v3/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n');
          const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
          for (let i = 0; i < 80; i++) socket.write(chunk);
        });
        // The server may close while the rest is on its way.
        socket.on('error', reject);
        socket.once('data', (data) => {
          resolve(data.toString().split('\r\n')[0]!);
          socket.destroy();
        });
      });
      expect(status).toBe('HTTP/1.1 413 Payload Too Large');
    });
  });

  it('takes JSON under any content type or none, and tokens in the query', async () => {
    const body = JSON.stringify({ type: 'm.login.password', user: 'alice', password: 'password of alice' });
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/octet-stream', '', ' ', 'json', 'text/plain;', 'application/json; charset', '*/*', 'a/b/c', ';', 'application/json;charset=utf-16']) {
      expect([type, (await client.raw('POST', '/v3/login', body, { headers: { 'content-type': type } })).status]).toEqual([type, 200]);
    }
    const query = { access_token: client.accessToken! };
    expect((await client.request('GET', '/v3/account/whoami', undefined, { anonymous: true, query })).user_id).toBe(client.userId);
    const lower = await client.raw('GET', '/v3/account/whoami', undefined, { headers: { authorization: `bearer ${client.accessToken}` } });
    expect(lower.status).toBe(200);
  });

  it('answers JSON as the specification names it, without a charset', async () => {
    for (const [path, status] of [['/v3/login', 200], ['/v3/sync', 200], ['/versions', 200], ['/v3/nothing', 404], ['/v3/account/whoami?access_token=none', 401]] as const) {
      const answer = await client.raw('GET', path, undefined, { anonymous: path !== '/v3/sync' });
      expect([path, answer.status, answer.headers['content-type']]).toEqual([path, status, 'application/json']);
    }
  });

  it('takes null for an optional member that is left out, wherever it is', async () => {
    const { room_id: roomId } = await client.request('POST', '/v3/createRoom', { invite: null, topic: null, creation_content: null, preset: null });
    const room = `/v3/rooms/${encodeURIComponent(roomId)}`;
    const { event_id: eventId } = await client.request('PUT', `${room}/send/m.room.message/n`, { body: null, msgtype: 'm.text' });
    expect((await client.request('GET', `${room}/event/${encodeURIComponent(eventId)}`)).content).toEqual({ body: null, msgtype: 'm.text' });
    const user = `/v3/user/${encodeURIComponent(client.userId)}`;
    const optional: [method: string, path: string, body: object][] = [
      ['POST', '/v3/login', { type: 'm.login.password', identifier: { type: 'm.id.user', user: 'alice' }, user: null, password: 'password of alice', device_id: null, refresh_token: null }],
      ['POST', `${user}/filter`, { room: { timeline: { limit: null, types: null, not_senders: null }, state: null, rooms: null }, presence: null, event_fields: null }],
      ['PUT', '/v3/pushrules/global/override/null', { actions: [], conditions: null, pattern: null }],
      ['PUT', `${room}/typing/${encodeURIComponent(client.userId)}`, { typing: false, timeout: null }],
      ['POST', `${room}/receipt/m.read/${encodeURIComponent(eventId)}`, { thread_id: null }],
      ['POST', `${room}/read_markers`, { 'm.fully_read': null, 'm.read': eventId, 'm.read.private': null }],
      ['PUT', `/v3/devices/${client.deviceId}`, { display_name: null }],
      ['POST', '/v3/keys/upload', { device_keys: null, one_time_keys: null, fallback_keys: null }],
      ['POST', `${room}/invite`, { user_id: '@nobody:localhost:1', reason: null }],
      ['PUT', `${user}/rooms/${encodeURIComponent(roomId)}/tags/u.null`, { order: null }],
    ];
    for (const [method, path, body] of optional) {
      const answer = await client.raw(method, path, body);
      expect([method, path, answer.status, answer.body?.errcode]).not.toEqual([method, path, 400, expect.any(String)]);
    }
    await client.expectError(400, 'M_BAD_JSON', 'POST', '/v3/login', { type: null });
  });

  it('lets pages of any origin in', async () => {
    const preflight = await client.raw('OPTIONS', '/v3/sync', undefined, { anonymous: true, headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' } });
    expect(preflight.status).toBe(204);
    for (const answer of [preflight, await client.raw('GET', '/v3/account/whoami', undefined, { anonymous: true }), await client.raw('GET', '/v3/nonsense')]) {
      expect(answer.headers['access-control-allow-origin']).toBe('*');
      expect(answer.headers['access-control-allow-headers']).toContain('Authorization');
      expect(answer.headers['access-control-allow-methods']).toContain('PUT');
    }
  });

  it('answers paths of the r0 specification, and with a slash at the end', async () => {
    expect((await client.request('GET', '/r0/account/whoami')).user_id).toBe(client.userId);
    expect((await client.request('GET', '/v3/account/whoami/')).user_id).toBe(client.userId);
  });

  it('tells its versions, capabilities and address', async () => {
    const { versions, unstable_features: features } = await client.request('GET', '/versions');
    // None whose additions are not all there: test/contract/missing.spec.ts.
    expect(versions).toEqual(['r0.0.1', 'r0.1.0', 'r0.2.0', 'r0.3.0', 'r0.4.0', 'r0.5.0', 'r0.6.0', 'r0.6.1', 'v1.1']);
    expect(features).toMatchObject({ 'io.partyline.homes': true, 'org.matrix.msc2285.stable': true, 'uk.tcpip.msc4133.stable': true });
    const { capabilities } = await client.request('GET', '/v3/capabilities');
    expect(capabilities['m.room_versions']).toMatchObject({ default: '12', available: { 11: 'stable', 12: 'stable', 'io.partyline.1': 'unstable' } });
    expect(capabilities['m.change_password']).toEqual({ enabled: true });
    expect(await client.request('GET', '/.well-known/matrix/client')).toEqual({ 'm.homeserver': { base_url: net.server('a').url } });
    await client.expectError(404, 'M_NOT_FOUND', 'GET', '/.well-known/matrix/server');
  });

  it('limits logins, and says for how long', async () => {
    const limited = net.client('limited');
    const login = () => limited.raw('POST', '/v3/login', { type: 'm.login.password', user: 'nobody', password: 'x long enough' });
    const answers = [];
    for (let i = 0; i < 7; i++) answers.push(await login());
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 429, 429]);
    const last = answers.at(-1)!;
    expect(last.body).toMatchObject({ errcode: 'M_LIMIT_EXCEEDED', retry_after_ms: expect.any(Number) });
    expect(Number(last.headers['retry-after'])).toBe(Math.ceil(last.body.retry_after_ms / 1000));
  });
});
