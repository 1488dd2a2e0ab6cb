/** A request as the app made it, for any home. */
export interface AppRequest {
  readonly method: string;
  /** From `/_matrix` on, without query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** Without `Authorization`. */
  readonly headers: Headers;
  readonly body: BodyInit | null;
  readonly signal?: AbortSignal;
  /** Whether the app sent credentials, which are then replaced by those of the home. */
  readonly authenticated: boolean;
}

/**
 * Reads the arguments of `fetch`.
 * @param baseUrls where the account's requests may be addressed to
 * @returns null when the request goes elsewhere (an identity server, a link preview): not the account's business
 */
export async function appRequest(
  input: RequestInfo | URL,
  init: RequestInit | undefined,
  baseUrls: readonly string[],
): Promise<AppRequest | null> {
  const given = typeof input === 'object' && 'url' in input ? input : undefined;
  const url = new URL(given ? given.url : String(input));
  const base = baseUrls.find((candidate) => url.href.startsWith(`${candidate}/_matrix/`));
  if (base === undefined) return null;
  const headers = new Headers(init?.headers ?? given?.headers);
  const query = new URLSearchParams(url.search);
  const authenticated = headers.has('authorization') || query.has('access_token');
  headers.delete('authorization');
  query.delete('access_token');
  return {
    method: (init?.method ?? given?.method ?? 'GET').toUpperCase(),
    path: url.pathname.slice(new URL(base).pathname.replace(/\/$/, '').length),
    query,
    headers,
    // A Request's body is a stream that can be read once; a repetition needs it again.
    body: init?.body ?? (given?.body ? await given.arrayBuffer() : null),
    signal: init?.signal ?? given?.signal ?? undefined,
    authenticated,
  };
}

/** Path and query for a home. */
export function pathWithQuery(path: string, query: URLSearchParams): string {
  const text = query.toString();
  return text ? `${path}?${text}` : path;
}
