import { eventually } from './eventually.js';
import { roomPath } from './room-pages.js';
import type { Json, TestClient } from './test-client.js';

/** Waits until the assertion holds. */
export const settles = (assertion: () => Promise<unknown>): Promise<unknown> => eventually(async () => (await assertion(), true));

/** The content of a state event, as the client sees it. */
export const stateOf = (client: TestClient, roomId: string, type: string, key = ''): Promise<Json> =>
  client.request('GET', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(key)}`);

/** User ids of the joined members, sorted. */
export const joinedMembers = async (client: TestClient, roomId: string): Promise<string[]> =>
  Object.keys((await client.request('GET', `${roomPath(roomId)}/joined_members`)).joined).sort();
