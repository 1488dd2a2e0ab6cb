import type { Json, RequestOptions, TestClient } from '../network/test-client.js';

// How the tests of sliding sync ask, and what they ask for.
const UNSTABLE = '/unstable/org.matrix.simplified_msc3575/sync';

/** Asks in the form of today's clients. */
export const slide = (client: TestClient, body: Json = {}, query: Json = {}, options: RequestOptions = {}): Promise<Json> =>
  client.request('POST', UNSTABLE, body, { ...options, query });
/** Asks in the form of MSC4186. */
export const slide4 = (client: TestClient, body: Json = {}, options: RequestOptions = {}): Promise<Json> => client.request('POST', '/v4/sync', body, options);
export const unknownPos = (client: TestClient, body: Json, pos: string): Promise<Json> =>
  client.expectError(400, 'M_UNKNOWN_POS', 'POST', UNSTABLE, body, { query: { pos } });

/** A list of the first rooms. */
export const first = (count: number, more: Json = {}): Json =>
  ({ lists: { all: { ranges: [[0, count - 1]], required_state: [], timeline_limit: 10, ...more } } });
export const texts = (room: Json): string[] => (room?.timeline ?? []).flatMap((event: Json) => event.content.body ?? []);
export const stateIn = (room: Json, type: string, key = ''): Json =>
  (room?.required_state ?? []).find((event: Json) => event.type === type && event.state_key === key);
