import { request as httpRequest } from 'node:http';
import { checkExchange } from './contract-check.js';
import type { TestServer } from './test-server.js';

const TIMEOUT_MS = 60_000;

/** JSON of any shape: a typed one would only repeat what the tests assert. */
export type Json = any;

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sends no access token. */
  readonly anonymous?: boolean;
  readonly signal?: AbortSignal;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  /** The body as JSON; undefined when it is none. */
  readonly body: Json;
}

/**
 * A minimal Matrix client of one device. Paths that do not start with `/_` or `/.well-known` are below `/_matrix/client`:
 * `client.request('GET', '/v3/sync')`.
 */
export class TestClient {
  accessToken: string | null = null;
  userId = '';
  deviceId = '';
  /** What the last registration or login answered. */
  registered: Json = {};
  #transactions = 0;

  constructor(readonly server: TestServer) {}

  /** Registers an account and keeps its access token. Works with open registration. */
  async register(localpart: string, password = `password of ${localpart}`, extra: Json = {}): Promise<this> {
    const body = { username: localpart, password, ...extra };
    let answer = await this.raw('POST', '/v3/register', body, { anonymous: true });
    if (answer.status === 401 && answer.body?.session) {
      const auth = { type: 'm.login.dummy', session: answer.body.session };
      answer = await this.raw('POST', '/v3/register', { ...body, auth }, { anonymous: true });
    }
    return this.#loggedIn('register', answer);
  }

  /** Logs in with the password that `register` sets by default. */
  async login(user: string, password = `password of ${user}`, extra: Json = {}): Promise<this> {
    const body = { type: 'm.login.password', identifier: { type: 'm.id.user', user }, password, ...extra };
    return this.#loggedIn('login', await this.raw('POST', '/v3/login', body, { anonymous: true }));
  }

  /** A transaction id that this client has not used. */
  nextTxn(): string {
    return `t${++this.#transactions}.${this.deviceId}`;
  }

  /** Sends a request; resolves with the JSON body of a 2xx answer. */
  async request(method: string, path: string, body?: Json, options?: RequestOptions): Promise<Json> {
    const answer = await this.raw(method, path, body, options);
    if (answer.status < 200 || answer.status > 299) throw new Error(`${method} ${path}: ${describe(answer)}`);
    return answer.body;
  }

  /** Sends a request that must be refused; resolves with the error's body. */
  async expectError(status: number, errcode: string, method: string, path: string, body?: Json, options?: RequestOptions): Promise<Json> {
    const answer = await this.raw(method, path, body, options);
    if (answer.status !== status || answer.body?.errcode !== errcode) {
      throw new Error(`${method} ${path}: expected ${status} ${errcode}, got ${describe(answer)}`);
    }
    return answer.body;
  }

  /** Sends a request; resolves with whatever the server answers. A string or Buffer body is sent as it is. */
  raw(method: string, path: string, body?: Json, options: RequestOptions = {}): Promise<RawResponse> {
    const url = new URL(/^\/(_|\.well-known|health)/.test(path) ? path : `/_matrix/client${path}`, this.server.url);
    for (const [name, value] of Object.entries(options.query ?? {})) {
      for (const item of Array.isArray(value) ? value : [value]) if (item !== undefined) url.searchParams.append(name, String(item));
    }
    const isRaw = typeof body === 'string' || Buffer.isBuffer(body);
    const payload = body === undefined ? undefined : isRaw ? body : JSON.stringify(body);
    const headers: Record<string, string> = { ...options.headers };
    if (payload !== undefined) {
      headers['content-type'] ??= 'application/json';
      headers['content-length'] = String(Buffer.byteLength(payload));
    }
    if (this.accessToken !== null && !options.anonymous) headers['authorization'] ??= `Bearer ${this.accessToken}`;
    return new Promise((resolve, reject) => {
      // A connection per request: a server that restarts on the same port meets no half-closed one.
      const request = httpRequest(url, { method, headers, agent: false, signal: options.signal, timeout: TIMEOUT_MS }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(chunks);
          const answer: RawResponse = { status: response.statusCode!, headers: response.headers, bytes, body: parse(bytes) };
          const sent = { method, path: url.pathname + url.search, request: isRaw ? parse(Buffer.from(body)) : body };
          checkExchange({ ...sent, status: answer.status, answer: answer.body, isLenient: headers['authorization']?.startsWith('X-Matrix') });
          resolve(answer);
        });
      });
      request.on('timeout', () => request.destroy(new Error(`${method} ${path}: no answer within ${TIMEOUT_MS} ms`)));
      request.on('error', reject);
      request.end(payload);
    });
  }

  #loggedIn(what: string, answer: RawResponse): this {
    if (answer.status !== 200) throw new Error(`${what}: ${describe(answer)}`);
    this.accessToken = answer.body.access_token ?? null;
    this.userId = answer.body.user_id;
    this.deviceId = answer.body.device_id ?? '';
    this.registered = answer.body;
    return this;
  }
}

function parse(bytes: Buffer): Json {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
}

function describe(answer: RawResponse): string {
  return `${answer.status} ${answer.bytes.toString('utf8').slice(0, 500)}`;
}
