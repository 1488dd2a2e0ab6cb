import { readAppToken, writeAppToken } from '../resume/app-token.js';
import type { AppToken } from '../resume/app-token.js';

const requestTokens = ['from', 'to', 'at', 'since', 'next_batch'] as const;

/** Members of the answer that are tokens, and where the event stands after which the page goes on. */
interface PagedEndpoint {
  path: RegExp;
  answer: Record<string, 'first' | 'last' | 'none'>;
}

const paged: PagedEndpoint[] = [
  { path: /^rooms\/[^/]+\/messages$/, answer: { start: 'first', end: 'last' } },
  { path: /^rooms\/[^/]+\/context\/[^/]+$/, answer: { start: 'first', end: 'last' } },
  { path: /^rooms\/[^/]+\/relations\//, answer: { next_batch: 'last', prev_batch: 'first' } },
  { path: /^rooms\/[^/]+\/(?:threads|hierarchy)$/, answer: { next_batch: 'none' } },
  { path: /^rooms\/[^/]+\/members$/, answer: {} },
  { path: /^notifications$/, answer: { next_token: 'none' } },
  { path: /^publicRooms$/, answer: { next_batch: 'none', prev_batch: 'none' } },
  { path: /^keys\/changes$/, answer: {} },
];

/** Whether a read takes or gives tokens that hold at one home only. */
export function isPaged(endpoint: string): boolean {
  return paged.some(({ path }) => path.test(endpoint));
}

/** The home whose token a request carries, if any. */
export function homeOfTokens(query: URLSearchParams): string | undefined {
  return requestTokens.map((name) => readAppToken(query.get(name))?.serverName).find((serverName) => serverName !== undefined);
}

/**
 * The query for a home: its own tokens unwrapped, those of other homes translated, or left out where that cannot be
 * done. Left out, a read starts from the newest event; nothing is missed, and the app knows what it has by event id.
 * @param translate the home's own token for the place after (or before) an event; undefined if the home cannot tell
 */
export async function queryForHome(
  serverName: string,
  query: URLSearchParams,
  translate: (token: AppToken, direction: 'b' | 'f') => Promise<string | undefined>,
): Promise<URLSearchParams> {
  const result = new URLSearchParams(query);
  for (const name of requestTokens) {
    const token = readAppToken(query.get(name));
    if (!token) continue;
    const direction = query.get('dir') === 'f' ? 'f' : 'b';
    const own = token.serverName === serverName ? token.token
      // Only the start matters; without an end the page is as long as its limit.
      : name === 'from' && token.anchor.startsWith('$') ? await translate(token, direction) : undefined;
    if (own === undefined) result.delete(name);
    else result.set(name, own);
  }
  return result;
}

/** Wraps the tokens of an answer for the app, each with the event where the page ends. */
export function wrapPageTokens(serverName: string, endpoint: string, body: Record<string, unknown>): Record<string, unknown> {
  const fields = paged.find(({ path }) => path.test(endpoint))?.answer ?? {};
  const result = { ...body };
  const events = pageEvents(body);
  for (const [name, end] of Object.entries(fields)) {
    const token = body[name];
    if (typeof token !== 'string') continue;
    const anchor = end === 'none' ? '' : (end === 'first' ? events[0] : events.at(-1)) ?? '';
    result[name] = writeAppToken({ serverName, anchor, token });
  }
  return result;
}

/** Event ids of a page from its `start` to its `end`. */
function pageEvents(body: Record<string, unknown>): string[] {
  const { chunk, events_before: before, event, events_after: after } = body;
  // `events_before` goes backwards in time, so that its last event is the one at `start`.
  const events = Array.isArray(chunk) ? chunk : [...(Array.isArray(before) ? [...before].reverse() : []), event, ...(Array.isArray(after) ? after : [])];
  return events.map((item) => (item as { event_id?: unknown } | undefined)?.event_id).filter((id) => typeof id === 'string');
}
