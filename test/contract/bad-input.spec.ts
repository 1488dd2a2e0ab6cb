import fc from 'fast-check';
import { HostileServer } from '../hostile/hostile-server.js';
import { takeViolations } from '../network/contract-check.js';
import { Network } from '../network/network.js';
import type { RawResponse, TestClient } from '../network/test-client.js';
import { generatedRequests, type GeneratedRequest } from './openapi/generated-requests.ts';
import { operationsOf, specificationFolder, type Operation } from './openapi/specification.ts';
import { DatabaseDigest } from './openapi/database-digest.js';

const SEED = Number(process.env['BAD_INPUT_SEED'] ?? 9);
/** Requests to each API. */
const RUNS = Number(process.env['BAD_INPUT_RUNS'] ?? 250);

/** Times that what seems to be stored by a refused request is looked at. */
const ATTEMPTS = 4;

/** What ends the session that it is made with, or the account. */
const ENDING = /\/logout|\/deactivate|\/account\/password|\/devices|\/delete_devices/;
/** Who leaves a room is refused everything else in it. */
const MOVING = /\/(join|leave|forget|knock|upgrade|invite|kick|ban|unban)(\/|$)/;

const folder = specificationFolder();

(folder === null ? describe.skip : describe)(`requests made from the specification${folder === null ? ', which is not at hand (MATRIX_SPEC_DIR)' : ''}, seed ${SEED}`, () => {
  let net: Network;
  let hostile: HostileServer;
  let alice: TestClient;
  let digest: DatabaseDigest;
  let known: Record<string, string>;
  let moving: string;
  beforeAll(async () => {
    net = await Network.start();
    hostile = await HostileServer.start();
    alice = await net.client().register('alice');
    const bob = await net.client().register('bob');
    await net.client().register('victim');
    const [{ room_id: roomId }, other] = [await alice.request('POST', '/v3/createRoom', { preset: 'public_chat' }), await alice.request('POST', '/v3/createRoom', {})];
    moving = other.room_id;
    await bob.request('POST', `/v3/join/${roomId}`, {});
    const sent = await alice.request('PUT', `/v3/rooms/${roomId}/send/m.room.message/first`, { msgtype: 'm.text', body: 'first' });
    // Its keys are fetched and stored with the first request.
    await hostile.raw(net.server('a'), 'GET', '/_matrix/federation/v1/query/profile');
    known = {
      userid: alice.userId, roomid: roomId, roomidoralias: roomId, eventid: sent.event_id, deviceid: alice.deviceId, servername: 'localhost:1', server: 'localhost:1',
      roomalias: `#x:${net.server('a').name}`, sender: alice.userId, eventtype: 'm.odd', type: 'm.odd', txnid: 'txn', filterid: '0', ruleid: '.m.rule.master', kind: 'override',
      receipttype: 'm.read', mediaid: 'x', keyname: 'm.odd', invitee: bob.userId, user: 'alice', username: 'alice', statekey: '', from: 's1',
    };
    digest = new DatabaseDigest(net.server('a'));
  });
  afterAll(async () => {
    await hostile?.stop();
    await net?.stop();
  });

  async function send({ operation, path, body, contentType }: GeneratedRequest, client: TestClient): Promise<RawResponse> {
    if (/^\/_matrix\/(federation|policy)/.test(path)) return hostile.raw(net.server('a'), operation.method, path, body?.toString());
    return client.raw(operation.method, path, body, { headers: { 'content-type': contentType } });
  }

  /** What is wrong with an answer, beside what the client itself sees against the specification. */
  function wrongOf({ operation, isNoJson }: GeneratedRequest, { status, bytes }: RawResponse): string[] {
    if (status >= 500 && status !== 502 && status !== 504) return [`fails with ${status} ${shown(bytes)}`];
    return isNoJson && operation.request && status < 400 ? [`takes what is no JSON: ${status}`] : [];
  }

  /** Sends one request; tells what is wrong with the answer, and what was stored although it was refused. */
  async function faultsOf(request: GeneratedRequest): Promise<string[]> {
    const client = ENDING.test(request.operation.path) ? await net.client().login('victim') : alice;
    let faults: string[] = [];
    // What still follows from a request before is stored when it is ready: only what is stored each time is stored by this one.
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const before = await digest.take();
      const answer = await send(request, client);
      const changed = answer.status >= 400 && answer.status !== 401 ? digest.difference(before, await digest.take()) : [];
      faults = [...wrongOf(request, answer), ...takeViolations(), ...changed.map((table) => `refuses with ${answer.status} ${shown(answer.bytes)} and stores in ${table}`)];
      if (changed.length === 0) break;
    }
    return faults.map((fault) => `${request.operation.name} ${fault}\n  at ${request.path.slice(0, 300)} with ${request.contentType} ${request.body?.toString().slice(0, 300)}`);
  }

  async function holds(api: string): Promise<void> {
    const operations = operationsOf(folder!, [api]).filter(({ path }) => !path.startsWith('/.well-known'));
    const values = (operation: Operation) => (MOVING.test(operation.path) ? { ...known, roomid: moving, roomidoralias: moving } : known);
    const requests = fc.nat({ max: operations.length - 1 }).chain((at) => generatedRequests(operations[at]!, values(operations[at]!)));
    const faults: string[] = [];
    await fc.assert(fc.asyncProperty(requests, async (request) => void faults.push(...(await faultsOf(request)))), { seed: SEED, numRuns: RUNS });
    expect(faults).toEqual([]);
    await alice.request('GET', '/v3/account/whoami');
  }

  it('never fail, and what is refused is not stored: clients', () => holds('client-server'), RUNS * 2_000);
  it('never fail, and what is refused is not stored: servers', () => holds('server-server'), RUNS * 2_000);
});

const shown = (bytes: Buffer): string => bytes.toString().slice(0, 200);
