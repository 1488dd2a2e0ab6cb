import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  canonicalJson, signingKeyFromSeed, signJson, type JsonObject, type RoomEvent, type SigningKey,
} from '../../libs/federation/src/index.js';
import { authorizationHeader } from '../../apps/homeserver/src/federation/outgoing/request-signature.js';
import { freePort } from '../network/free-port.js';
import { testCluster } from '../network/test-cluster.js';
import { TestClient, type Json, type RawResponse } from '../network/test-client.js';
import type { TestServer } from '../network/test-server.js';

/** An answer with a status and headers of its own. */
export class Verbatim {
  constructor(readonly status: number, readonly headers: Readonly<Record<string, string>>, readonly body: Buffer | string) {}
}

/** Answers a request of a good server: a JSON body, or a Buffer or a string as they are, or a `Verbatim`; undefined never answers. */
export type HostileAnswer = (path: string, body: Json) => Json | Buffer | string | undefined | Promise<Json>;

/**
 * A server with a name and keys of its own that good servers believe, and that says whatever the test wants. Without a handler
 * it answers 404.
 */
export class HostileServer {
  readonly requests: { readonly method: string; readonly path: string; readonly body: Json }[] = [];
  #key: SigningKey = signingKeyFromSeed('ed25519:bad', randomBytes(32));
  #retired: SigningKey[] = [];
  keyLifetimeMs = 24 * 3_600_000;
  refusesKeys = false;
  readonly #handlers: { readonly pattern: RegExp; readonly answer: HostileAnswer }[] = [];
  readonly #server: Server;
  #txn = 0;

  private constructor(
    /** Its server name. */
    readonly name: string,
    server: Server,
  ) {
    this.#server = server;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => void this.#answer(request, response));
  }

  static async start(): Promise<HostileServer> {
    const { tls } = await testCluster();
    const port = await freePort();
    const server = createServer(tls);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    return new HostileServer(`localhost:${port}`, server);
  }

  /** What it signs with now. */
  get key(): SigningKey {
    return this.#key;
  }

  /** Retires the signing key and takes another one. */
  rotate(): void {
    this.#retired = [...this.#retired, this.#key];
    this.#key = signingKeyFromSeed(`ed25519:bad${this.#retired.length}`, randomBytes(32));
  }

  /** Takes another signing key and names the former one no more. */
  forget(): void {
    this.#key = signingKeyFromSeed('ed25519:fresh', randomBytes(32));
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Drops all connections, also those that wait for an answer. */
  hangUp(): void {
    this.#server.closeAllConnections();
  }

  user(localpart: string): string {
    return `@${localpart}:${this.name}`;
  }

  /** Answers requests whose path with its query matches; the last one that was set wins. */
  on(pattern: RegExp, answer: HostileAnswer): void {
    this.#handlers.unshift({ pattern, answer });
  }

  /** A request signed by this server. A string is sent and signed as it is. */
  raw(target: TestServer, method: string, path: string, body?: Json): Promise<RawResponse> {
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const authorization = authorizationHeader(
      { method, uri: path, origin: this.name, destination: target.name, ...(text === undefined ? {} : { content: signedText(text) }) }, this.key,
    );
    return new TestClient(target).raw(method, path, text, { headers: { authorization } });
  }

  async request(target: TestServer, method: string, path: string, body?: Json): Promise<Json> {
    const answer = await this.raw(target, method, path, body);
    if (answer.status !== 200) throw new Error(`${method} ${path}: ${answer.status} ${answer.bytes.toString().slice(0, 500)}`);
    return answer.body;
  }

  async expectError(status: number, errcode: string, target: TestServer, method: string, path: string, body?: Json): Promise<Json> {
    const answer = await this.raw(target, method, path, body);
    if (answer.status !== status || answer.body?.errcode !== errcode) {
      throw new Error(`${method} ${path}: expected ${status} ${errcode}, got ${answer.status} ${answer.bytes.toString().slice(0, 500)}`);
    }
    return answer.body;
  }

  /** Sends a transaction; resolves with the result of each event by its id. What was rejected in a standard room counts as an error too. */
  async send(target: TestServer, pdus: readonly unknown[], edus: readonly unknown[] = []): Promise<Record<string, { error?: string }>> {
    const path = `/_matrix/federation/v1/send/${this.key.publicKey.slice(0, 6).replace(/\W/g, '_')}${++this.#txn}`;
    const answer = await this.request(target, 'PUT', path, { pdus, edus });
    const rejected = Object.entries<string>(answer['io.partyline.rejected'] ?? {});
    return { ...answer.pdus, ...Object.fromEntries(rejected.map(([id, error]) => [id, { error }])) };
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const path = decodeURIComponent(request.url!);
    const text = Buffer.concat(chunks).toString();
    const body = text === '' ? undefined : JSON.parse(text);
    this.requests.push({ method: request.method!, path, body });
    if (path.startsWith('/_matrix/key/v2/server')) return this.refusesKeys ? reply(response, 400, {}) : reply(response, 200, this.#keys());
    const handler = this.#handlers.find(({ pattern }) => pattern.test(path));
    if (!handler) return reply(response, 404, { errcode: 'M_NOT_FOUND', error: 'not here' });
    const answer = await handler.answer(path, body);
    if (answer !== undefined) reply(response, 200, answer);
  }

  #keys(): JsonObject {
    const keys = {
      server_name: this.name,
      verify_keys: { [this.key.keyId]: { key: this.key.publicKey } },
      old_verify_keys: Object.fromEntries(this.#retired.map(({ keyId, publicKey }) => [keyId, { key: publicKey, expired_ts: Date.now() }])),
      valid_until_ts: Date.now() + this.keyLifetimeMs,
    };
    return signJson(keys, this.name, this.key);
  }
}

/** An event as it is put on the wire. */
export const wire = (event: Pick<RoomEvent, 'json'>): Json => JSON.parse(event.json);

function reply(response: ServerResponse, status: number, body: Json): void {
  if (body instanceof Verbatim) {
    response.writeHead(body.status, body.headers).end(body.body);
    return;
  }
  const payload = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json' }).end(payload);
}

/** Requests are signed over canonical JSON; what has none is signed as it stands. */
function signedText(text: string): string {
  try {
    return canonicalJson(JSON.parse(text));
  } catch {
    return text;
  }
}
