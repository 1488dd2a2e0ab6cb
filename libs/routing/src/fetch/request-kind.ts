/** Protocol §5 rule 2: how long an answer may take. */
export const writeTimeoutMs = 4_000;
export const syncTimeoutMs = 45_000;
/** A server that waits for other servers to store an event answers after at most this time (protocol §5). */
const replicasWaitMs = 5_000;
const readTimeoutMs = 30_000;
/** Where a repetition would not be safe, giving up early gains nothing: the probe tells whether the home is alive. */
const unrepeatableTimeoutMs = 120_000;
const uploadTimeoutMs = 600_000;

/** What the wrapper has to know of a request. */
export interface RequestKind {
  readonly name: 'sync' | 'read' | 'write';
  /**
   * `anywhere`: doing it twice does nothing twice, so it may be repeated at any home. `unsent`: only if the first home
   * cannot have got it.
   */
  readonly repeat: 'anywhere' | 'unsent';
  /** Longest silence, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether 5xx speaks against the home, rather than against a third server that it asked. */
  readonly countErrors: boolean;
  /** Whether the body is handed on as a stream. */
  readonly stream: boolean;
  /**
   * For writes that get a `txn` (protocol §6): the app's transaction id, or null where the path has none and one is
   * drawn per request.
   */
  readonly transactionId?: string | null;
  /** The room that the request writes to. */
  readonly roomId?: string;
}

// POST requests that end the same however often they are made. A claimed one-time key that nobody gets is only wasted.
const repeatablePost = new RegExp('^(?:' + [
  'keys/(?:upload|query|claim|signatures/upload)',
  'rooms/[^/]+/(?:read_markers|receipt/.*|join)', 'join/[^/]+',
  'user/[^/]+/filter', 'search', 'user_directory/search', 'publicRooms', 'login',
].join('|') + ')$');
// Here the home asks other servers, which may be slow.
const asksOthers = /^(?:keys\/(?:query|claim)|search|user_directory\/search|publicRooms|(?:rooms\/[^/]+\/)?join(?:\/[^/]+)?)$/;
// Here a 5xx may stem from another server.
const maybeAnothersError = /^(?:media\/|directory\/|profile\/|publicRooms|keys\/(?:query|claim)|join\/|rooms\/[^/]+\/join|knock\/|room_summary\/)/;
const transactionPath = /^rooms\/([^/]+)\/(?:send\/[^/]+|redact\/[^/]+)\/([^/]+)$/;
const statePath = /^rooms\/([^/]+)\/state\/[^/]+(?:\/[^/]*)?$/;
const toDevicePath = /^sendToDevice\/[^/]+\/([^/]+)$/;
const roomPath = /^rooms\/([^/]+)\//;
const downloadPath = /^media\/(?:download|thumbnail)\//;

/**
 * Sorts a Client-Server request.
 * @param path from `/_matrix` on, without query
 */
export function requestKind(method: string, path: string, query: URLSearchParams, body: unknown): RequestKind {
  const endpoint = endpointOf(path);
  const common = { countErrors: !maybeAnothersError.test(endpoint), stream: false };
  if (endpoint === 'sync' && (method === 'GET' || method === 'POST')) {
    const asked = Number(query.get('timeout') ?? (method === 'POST' ? bodyTimeout(body) : 0)) || 0;
    return { ...common, name: 'sync', repeat: 'anywhere', timeoutMs: Math.max(syncTimeoutMs, asked + 15_000) };
  }
  if (method === 'GET' || method === 'HEAD' || method === 'OPTIONS') {
    return { ...common, name: 'read', repeat: 'anywhere', timeoutMs: readTimeoutMs, stream: downloadPath.test(endpoint) };
  }
  const repeatable = isRepeatable(method, endpoint) && !(body instanceof ReadableStream);
  const room = roomPath.exec(endpoint)?.[1];
  return {
    ...common,
    name: 'write',
    repeat: repeatable ? 'anywhere' : 'unsent',
    timeoutMs: timeoutOf(endpoint, query, repeatable),
    transactionId: method === 'PUT' ? transactionIdOf(endpoint) : undefined,
    roomId: room && decoded(room),
  };
}

/** How long a sliding sync waits whose form has this in the body. */
function bodyTimeout(body: unknown): number {
  const timeout = typeof body === 'string' ? /"timeout"\s*:\s*(\d{1,9})/.exec(body)?.[1] : undefined;
  return Number(timeout ?? 0);
}

/** The path after the version: `/_matrix/client/v3/rooms/…` and `/_matrix/media/v3/…` as `rooms/…` and `media/…`. */
export function endpointOf(path: string): string {
  const [, api, rest] = /^\/_matrix\/(client|media)\/(?:v\d+|r0|unstable\/[^/]+)\/(.*)$/.exec(path) ?? [];
  return api === 'media' ? `media/${rest}` : rest ?? path;
}

function isRepeatable(method: string, endpoint: string): boolean {
  // The second time an alias is taken, by the first.
  if (method === 'PUT') return !endpoint.startsWith('directory/room/');
  if (method === 'POST') return repeatablePost.test(endpoint) || endpoint === 'media/upload';
  return method === 'DELETE';
}

function timeoutOf(endpoint: string, query: URLSearchParams, repeatable: boolean): number {
  if (endpoint.startsWith('media/')) return uploadTimeoutMs;
  if (!repeatable) return unrepeatableTimeoutMs;
  if (asksOthers.test(endpoint)) return readTimeoutMs;
  return writeTimeoutMs + (query.has('io.partyline.replicas') ? replicasWaitMs : 0);
}

function transactionIdOf(endpoint: string): string | null | undefined {
  const id = transactionPath.exec(endpoint)?.[2] ?? toDevicePath.exec(endpoint)?.[1];
  return id ?? (statePath.test(endpoint) ? null : undefined);
}

function decoded(component: string): string {
  try {
    return decodeURIComponent(component);
  } catch {
    return component;
  }
}
