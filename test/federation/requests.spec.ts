import { readFileSync } from 'node:fs';
import { signingKeyFromSeed, verifyJson } from '../../libs/federation/src/index.js';
import { AccountDirectory } from '../../apps/homeserver/src/accounts/account-directory.js';
import { Profiles } from '../../apps/homeserver/src/accounts/profiles.js';
import { RemoteProfiles } from '../../apps/homeserver/src/accounts/remote-profiles.js';
import { EduHandlers } from '../../apps/homeserver/src/federation/edu-handlers.js';
import { FederationClient, type FederationRequest } from '../../apps/homeserver/src/federation/federation-client.js';
import { KeyRing } from '../../apps/homeserver/src/federation/keys/key-ring.js';
import { ServerKeys } from '../../apps/homeserver/src/federation/keys/server-keys.js';
import { authorizationHeader } from '../../apps/homeserver/src/federation/outgoing/request-signature.js';
import { takeViolations } from '../network/contract-check.js';
import { Network } from '../network/network.js';
import type { TestServer } from '../network/test-server.js';
import { RecordingReceiver, TransportModule } from './transport-module.js';

const SEND = '/_matrix/federation/v1/send';

describe('requests between servers', () => {
  // The transactions are made here, of what would be no events, and not by servers.
  afterEach(() => void takeViolations());

  let net: Network;
  let a: TestServer;
  let b: TestServer;
  beforeAll(async () => {
    net = await Network.start({ servers: 2, rootModule: TransportModule });
    [a, b] = [net.server('a'), net.server('b')];
  });
  afterAll(() => net.stop());

  const fromA = (request: Omit<FederationRequest, 'destination'>) => a.get(FederationClient).request({ destination: b.name, ...request });
  const received = () => b.get(RecordingReceiver).received.map(({ eventId }) => eventId);

  /** A request to b, signed in a's name unless told, with one thing wrong. */
  function forged(changes: { body?: object; signedBody?: object; destination?: string; key?: string; origin?: string; uri?: string }) {
    const keys = a.get(ServerKeys);
    const path = `${SEND}/${Math.random()}`;
    const body = JSON.stringify(changes.body ?? { edus: [], pdus: [] });
    const header = authorizationHeader(
      {
        method: 'PUT',
        uri: changes.uri ?? path,
        origin: changes.origin ?? a.name,
        destination: changes.destination ?? b.name,
        content: changes.signedBody ? JSON.stringify(changes.signedBody) : body,
      },
      changes.key === undefined ? keys.signing : signingKeyFromSeed(changes.key, new Uint8Array(32).fill(9)),
    );
    return { path, body, options: { headers: { authorization: header } } };
  }

  it('publishes signed keys and a version without authentication', async () => {
    const client = net.client('a');
    const keys = await client.request('GET', '/_matrix/key/v2/server');
    const own = a.get(ServerKeys);
    expect(keys.server_name).toBe(a.name);
    expect(verifyJson(keys, a.name, own.keyId, keys.verify_keys[own.keyId].key)).toBe(true);
    expect(keys.valid_until_ts).toBeGreaterThan(Date.now() + 3_600_000);
    expect(await client.request('GET', `/_matrix/key/v2/server/${own.keyId}`)).toEqual(keys);
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect(await client.request('GET', '/_matrix/federation/v1/version')).toEqual({ server: { name: 'Partyline', version } });
  });

  it('takes a signed transaction and answers per event', async () => {
    const answer = await fromA({
      method: 'PUT', path: `${SEND}/t1`, body: { origin: a.name, origin_server_ts: 1, pdus: [{ event_id: '$1' }, { event_id: '$2', reject: true }] },
    });
    expect(answer).toEqual({ pdus: { $1: {}, $2: { error: 'not wanted' } }, 'io.partyline.taken': ['$1'] });
    expect(b.get(RecordingReceiver).received.slice(-2)).toEqual([{ origin: a.name, eventId: '$1' }, { origin: a.name, eventId: '$2' }]);
  });

  it('takes a body that is not canonical, signed as if it were', async () => {
    const { path, options } = forged({ signedBody: { edus: [], pdus: [{ event_id: '$spaced' }] } });
    const body = '{ "pdus": [ { "event_id": "\\u0024spaced" } ],\n "edus": [] }';
    expect(await net.client('b').request('PUT', path, body, options)).toEqual({ pdus: { $spaced: {} }, 'io.partyline.taken': ['$spaced'] });
  });

  it.each([
    ['a signature by another key', { key: 'same' }],
    ['an unknown key id', { key: 'ed25519:unknown' }],
    ['a body that was changed', { signedBody: { edus: [], pdus: [] }, body: { edus: [], pdus: [{ event_id: '$forged' }] } }],
    ['a signature for another path', { uri: `${SEND}/other` }],
    ['a request for another server', { destination: 'c.example' }],
    ['an origin that is this server', { origin: 'b' }],
  ])('refuses %s', async (_name, changes: Record<string, unknown>) => {
    const real = { ...changes };
    if (changes['key'] === 'same') real['key'] = a.get(ServerKeys).keyId;
    if (changes['origin'] === 'b') real['origin'] = b.name;
    const { path, body, options } = forged(real);
    await net.client('b').expectError(401, 'M_UNAUTHORIZED', 'PUT', path, body, options);
    expect(received()).not.toContain('$forged');
  });

  it.each(['no server', 'localhost:http'])('refuses %s as the name of an origin', async (origin) => {
    const { path, body, options } = forged({ origin });
    await net.client('b').expectError(400, 'M_INVALID_PARAM', 'PUT', path, body, options);
  });

  it('refuses requests without a signature', async () => {
    await net.client('b').expectError(401, 'M_UNAUTHORIZED', 'PUT', `${SEND}/t`, { pdus: [] });
    await net.client('b').expectError(401, 'M_UNAUTHORIZED', 'GET', '/_matrix/federation/v1/query/profile?user_id=@x:y.example');
  });

  it('runs a transaction once, also when it comes twice at the same time', async () => {
    const receiver = b.get(RecordingReceiver);
    const runs = receiver.runs;
    let open = () => {};
    receiver.gate = new Promise<void>((resolve) => (open = resolve));
    const request = { method: 'PUT', path: `${SEND}/twice`, body: { pdus: [{ event_id: '$once' }] } } as const;
    const both = Promise.all([fromA(request), fromA(request)]);
    open();
    expect(await both).toEqual(Array(2).fill({ pdus: { $once: {} }, 'io.partyline.taken': ['$once'] }));
    expect(await fromA({ ...request, body: { pdus: [{ event_id: '$other' }] } })).toEqual({ pdus: { $once: {} }, 'io.partyline.taken': ['$once'] });
    expect(receiver.runs).toBe(runs + 1);
  });

  it('tells transactions of two origins with one id apart', async () => {
    const c = await net.add('c');
    const request = { destination: b.name, method: 'PUT', path: `${SEND}/same-id` } as const;
    await a.get(FederationClient).request({ ...request, body: { pdus: [{ event_id: '$from-a' }] } });
    await c.get(FederationClient).request({ ...request, body: { pdus: [{ event_id: '$from-c' }] } });
    expect(b.get(RecordingReceiver).received).toContainEqual({ origin: c.name, eventId: '$from-c' });
  });

  it.each([
    ['51 events', { pdus: Array.from({ length: 51 }, (_, i) => ({ event_id: `$many${i}` })) }],
    ['101 EDUs', { pdus: [], edus: Array.from({ length: 101 }, () => ({})) }],
    ['events that are no list', { pdus: {} }],
  ])('refuses a transaction with %s', async (_name, body) => {
    await expect(fromA({ method: 'PUT', path: `${SEND}/${Math.random()}`, body })).rejects.toMatchObject({ status: 400, errcode: 'M_BAD_JSON' });
    expect(received()).not.toContain('$many0');
  });

  it('takes 50 events and 100 EDUs', async () => {
    const pdus = Array.from({ length: 50 }, (_, i) => ({ event_id: `$full${i}` }));
    const edus = Array.from({ length: 100 }, () => ({ edu_type: 'm.unknown', content: {} }));
    const answer = await fromA({ method: 'PUT', path: `${SEND}/full`, body: { pdus, edus } });
    expect(Object.keys(answer['pdus'] as object).length).toBe(50);
  });

  it('hands EDUs over in order; a handler that fails and kinds that nobody takes do no harm', async () => {
    const seen: unknown[] = [];
    b.get(EduHandlers).register('m.test', async (origin, content) => {
      if (content['fail']) throw new Error('handler');
      seen.push([origin, content['n']]);
    });
    const edus = [{ n: 1 }, { fail: true }, { n: 2 }].map((content) => ({ edu_type: 'm.test', content }));
    const odd = [null, 7, { edu_type: 'm.test' }, { edu_type: 'm.test', content: [] }, { edu_type: 'm.nobody', content: {} }];
    expect(await fromA({ method: 'PUT', path: `${SEND}/edus`, body: { pdus: [], edus: [...odd, ...edus] } })).toEqual({ pdus: {} });
    expect(seen).toEqual([[a.name, 1], [a.name, 2]]);
  });

  it('answers queries about profiles and aliases', async () => {
    const alice = `@alice:${b.name}`;
    await b.get(AccountDirectory).create({ userId: alice });
    await b.get(Profiles).set(alice, 'displayname', 'Alice');
    await b.get(Profiles).set(alice, 'm.tz', 'Europe/Paris');
    expect(await a.get(RemoteProfiles).get(alice)).toEqual({ displayname: 'Alice', 'm.tz': 'Europe/Paris' });
    expect(await a.get(RemoteProfiles).get(alice, 'm.tz')).toEqual({ 'm.tz': 'Europe/Paris' });
    await expect(a.get(RemoteProfiles).get(alice, 'avatar_url')).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' });
    await expect(a.get(RemoteProfiles).get(`@nobody:${b.name}`)).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' });

    const directory = (room_alias: string | undefined) => fromA({ method: 'GET', path: '/_matrix/federation/v1/query/directory', query: { room_alias } });
    expect(await directory(`#here:${b.name}`)).toEqual({ room_id: '!room:a.example', servers: ['a.example'] });
    await expect(directory(`#gone:${b.name}`)).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' });
    await expect(directory('#here:elsewhere.example')).rejects.toMatchObject({ status: 404, errcode: 'M_NOT_FOUND' });
    await expect(directory(undefined)).rejects.toMatchObject({ status: 400, errcode: 'M_MISSING_PARAM' });
    await expect(directory('here')).rejects.toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' });
    await expect(fromA({ method: 'GET', path: '/_matrix/federation/v1/query/weather' })).rejects.toMatchObject({ status: 404, errcode: 'M_UNRECOGNIZED' });
  });

  it('vouches for the keys of others as a notary', async () => {
    const keyId = a.get(ServerKeys).keyId;
    const single = await net.client('b').request('GET', `/_matrix/key/v2/query/${a.name}`);
    const many = await net.client('b').request('POST', '/_matrix/key/v2/query', { server_keys: { [a.name]: {}, [b.name]: {}, 'localhost:1': {} } });
    expect(many.server_keys.map((keys: { server_name: string }) => keys.server_name).sort()).toEqual([a.name, b.name].sort());
    const [keys] = single.server_keys;
    expect(verifyJson(keys, a.name, keyId, a.get(ServerKeys).publicKey)).toBe(true);
    expect(verifyJson(keys, b.name, b.get(ServerKeys).keyId, b.get(ServerKeys).publicKey)).toBe(true);
    expect(await net.client('b').request('GET', '/_matrix/key/v2/query/localhost:1')).toEqual({ server_keys: [] });
  });

  it('keeps the keys of a server that is gone, also over a restart of its own', async () => {
    const d = await net.add('d');
    const { keyId, publicKey } = d.get(ServerKeys);
    const now = Date.now();
    expect(await b.get(KeyRing).publicKey(d.name, keyId, now)).toBe(publicKey);
    await d.stop();
    await b.restart();
    expect(await b.get(KeyRing).publicKey(d.name, keyId, now)).toBe(publicKey);
    expect(await b.get(KeyRing).publicKey(d.name, 'ed25519:other', now)).toBeUndefined();
    // Nothing vouches for the key in ten days from now.
    expect(await b.get(KeyRing).publicKey(d.name, keyId, now + 10 * 24 * 3_600_000)).toBeUndefined();
  });
});
