import { Pool } from 'undici';

/** An answer that was not 2xx. A benchmark that counts errors as work measures nothing, so it ends the scenario. */
export class HttpFailure extends Error {
  readonly status: number;

  constructor(method: string, path: string, status: number, text: string) {
    super(`${method} ${path.split('?')[0]}: ${status} ${text.slice(0, 300)}`);
    this.status = status;
  }
}

/** JSON over a pool of kept-alive connections to one server. */
export class HttpClient {
  readonly origin: string;
  readonly #pool: Pool;

  /**
   * @param origin scheme, host and port
   * @param connections upper bound of sockets; requests beyond it queue in this process
   */
  constructor(origin: string, connections: number) {
    this.origin = origin;
    this.#pool = new Pool(origin, {
      connections,
      pipelining: 1,
      keepAliveTimeout: 60_000,
      headersTimeout: 120_000,
      bodyTimeout: 120_000,
      connect: { rejectUnauthorized: false },
    });
  }

  /**
   * Sends one request and returns the body as text: callers that need no fields spare the generator the parsing.
   * @throws HttpFailure when the answer is not 2xx
   */
  async text(method: 'GET' | 'POST' | 'PUT', path: string, token: string | null, body?: unknown): Promise<string> {
    const headers: Record<string, string> = {};
    if (token !== null) headers['authorization'] = `Bearer ${token}`;
    if (body !== undefined) headers['content-type'] = 'application/json';
    const answer = await this.#pool.request({
      method, path, headers, body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (answer.statusCode < 200 || answer.statusCode > 299) {
      throw new HttpFailure(method, path, answer.statusCode, text);
    }
    return text;
  }

  /** As {@link text}, parsed. The caller names the shape; nothing checks it. */
  async json<T>(method: 'GET' | 'POST' | 'PUT', path: string, token: string | null, body?: unknown): Promise<T> {
    return JSON.parse(await this.text(method, path, token, body)) as T;
  }

  async close(): Promise<void> {
    await this.#pool.destroy();
  }
}
