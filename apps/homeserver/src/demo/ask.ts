import { parseJson } from '#json';

const TIMEOUT_MS = 15_000;

export interface Question {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** From `/_matrix` on. */
  readonly path: string;
  readonly accessToken?: string;
  readonly body?: object;
}

/** A server refused. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';

  constructor(
    readonly status: number,
    readonly body: Record<string, unknown>,
    what: string,
  ) {
    super(`${what}: ${status} ${JSON.stringify(body).slice(0, 300)}`);
  }
}

/**
 * One request of the client-server API.
 *
 * @param url base URL of the server
 * @throws RefusedError for any status but 2xx; whatever `fetch` throws where there is no answer
 */
export async function ask(url: string, { method, path, accessToken, body }: Question): Promise<Record<string, unknown>> {
  const response = await fetch(url + path, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
    },
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const answer = parseJson(await response.text()) as Record<string, unknown>;
  if (!response.ok) throw new RefusedError(response.status, answer, `${method} ${path}`);
  return answer;
}
