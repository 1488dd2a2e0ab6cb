import type { Json, TestClient } from './test-client.js';

/** Path of a room's endpoints. */
export const roomPath = (roomId: string): string => `/v3/rooms/${encodeURIComponent(roomId)}`;

export interface Pages {
  readonly pages: Json[];
  /** All events in the order in which they came. */
  readonly events: Json[];
}

/** Follows `/messages` until there is no `end`. Fails when it does not come to an end. */
export async function allPages(client: TestClient, roomId: string, query: Record<string, string | number>, maxPages = 100): Promise<Pages> {
  const pages: Json[] = [];
  let from: string | undefined = query['from'] as string | undefined;
  for (let i = 0; i < maxPages; i++) {
    const page = await client.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { ...query, from } });
    pages.push(page);
    if (page.end === undefined) return { pages, events: pages.flatMap((one) => one.chunk) };
    from = page.end;
  }
  throw new Error(`no end after ${maxPages} pages`);
}

/** What the test sees of events: bodies of messages, types of others. */
export const shownAs = (events: readonly Json[]): string[] => events.map((event) => event.content.body ?? event.type);
