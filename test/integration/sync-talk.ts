import { roomPath } from '../network/room-pages.js';
import type { Json, TestClient } from '../network/test-client.js';

// What people do in the tests of /sync, and how its answers are read.
export const createRoom = async (client: TestClient, body: object = {}): Promise<string> => (await client.request('POST', '/v3/createRoom', body)).room_id;
export const say = async (client: TestClient, roomId: string, body: string): Promise<string> =>
  (await client.request('PUT', `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`, { body, msgtype: 'm.text' })).event_id;
export const setState = (client: TestClient, roomId: string, type: string, content: object, key = '') =>
  client.request('PUT', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(key)}`, content);
export const join = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/join`, {});
export const leave = (client: TestClient, roomId: string) => client.request('POST', `${roomPath(roomId)}/leave`, {});
export const sync = (client: TestClient, query: Record<string, string | number | boolean | undefined> = {}): Promise<Json> =>
  client.request('GET', '/v3/sync', undefined, { query });
export const filter = (value: object) => JSON.stringify(value);
export const bodies = (section: Json): string[] => section.timeline.events.flatMap((event: Json) => event.content.body ?? []);
export const stateOf = (section: Json, type: string, key = '', part = 'state') =>
  section[part].events.find((event: Json) => event.type === type && event.state_key === key);
export const find = (events: Json[], type: string, key?: string) => events.find((event) => event.type === type && event.state_key === key);
