import { eventually } from '../network/eventually.js';
import type { Json, RequestOptions, TestClient } from '../network/test-client.js';
import { homesPath, type Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';

const SYNC_TIMEOUT_MS = 5_000;

export const roomPath = (roomId: string): string => `/v3/rooms/${encodeURIComponent(roomId)}`;

/** A portable room that anybody may join. */
export async function createRoom(client: TestClient, body: Json = {}): Promise<string> {
  return (await client.request('POST', '/v3/createRoom', { room_version: 'io.partyline.1', preset: 'public_chat', ...body })).room_id;
}

export function join(client: TestClient, roomId: string, via: TestServer): Promise<Json> {
  return client.request('POST', `/v3/join/${encodeURIComponent(roomId)}`, {}, { query: { via: via.name } });
}

export async function say(client: TestClient, roomId: string, body: string, options: RequestOptions = {}): Promise<string> {
  const path = `${roomPath(roomId)}/send/m.room.message/${client.nextTxn()}`;
  return (await client.request('PUT', path, { body, msgtype: 'm.text' }, options)).event_id;
}

/** Texts of a room's messages as the client reads them, newest first. */
export async function texts(client: TestClient, roomId: string): Promise<string[]> {
  const { chunk } = await client.request('GET', `${roomPath(roomId)}/messages`, undefined, { query: { dir: 'b', limit: 100 } });
  return chunk.flatMap((event: Json) => event.content.body ?? []);
}

export async function reads(client: TestClient, roomId: string, ...wanted: string[]): Promise<void> {
  await eventually(async () => {
    const read = await texts(client, roomId);
    const missing = wanted.filter((text) => !read.includes(text));
    if (missing.length > 0) throw new Error(`${client.userId} at ${client.server.label} has not read ${missing.join(', ')}`);
    return true;
  }, 20_000);
}

export function state(client: TestClient, roomId: string, type: string, stateKey = ''): Promise<Json> {
  return client.request('GET', `${roomPath(roomId)}/state/${type}/${encodeURIComponent(stateKey)}`);
}

/** Waits until the assertions hold. */
export async function settles(assertions: () => unknown, timeoutMs = 20_000): Promise<void> {
  await eventually(async () => (await assertions(), true), timeoutMs);
}

/** Waits until a home has taken all operations of the home at which the client is. */
export async function isCaughtUp(person: Person, at: TestServer, other: TestServer): Promise<void> {
  await eventually(async () => {
    const { homes } = await person.at(at).request('GET', `${homesPath}/account/homes`);
    return homes.find((home: Json) => home.server_name === other.name).ops_behind === 0;
  }, 20_000);
}

/** Waits until a home of the client holds the room. */
export async function isIn(client: TestClient, roomId: string): Promise<void> {
  await eventually(async () => (await client.request('GET', '/v3/joined_rooms')).joined_rooms.includes(roomId), 40_000);
}

/** Syncs like a client that is always on, and notes the texts that a room shows, in order and with repeats. */
export class Listener {
  readonly heard: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  /** @param since the listener hears what comes after it; without it the timeline from the beginning on */
  constructor(private readonly client: TestClient, private readonly roomId: string, since?: string) {
    this.#running = this.#listen(since);
  }

  async hears(...wanted: string[]): Promise<void> {
    await eventually(() => {
      const missing = wanted.filter((text) => !this.heard.includes(text));
      if (missing.length > 0) throw new Error(`${this.client.userId} at ${this.client.server.label} has not heard ${missing.join(', ')}`);
      return true;
    }, 20_000);
  }

  /** Ends the syncing. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #listen(from: string | undefined): Promise<void> {
    let since = from;
    try {
      for (;;) {
        const query = { since, timeout: since === undefined ? 0 : SYNC_TIMEOUT_MS, filter: '{"room":{"timeline":{"limit":200}}}' };
        const answer = await this.client.request('GET', '/v3/sync', undefined, { query, signal: this.#stop.signal });
        since = answer.next_batch;
        this.heard.push(...(answer.rooms?.join?.[this.roomId]?.timeline.events ?? []).flatMap((event: Json) => event.content.body ?? []));
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) throw error;
    }
  }
}
