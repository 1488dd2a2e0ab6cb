import { HttpClient } from './http-client.ts';
import { registerUser } from './registration.ts';
import type { BenchUser } from './registration.ts';
import { runLoad } from './load.ts';

/** How many requests prepare the world at once; small, so that preparing does not time out on a slow server. */
const preparers = 8;

/**
 * The accounts and rooms of one run on one server. Everything is made on first use and then shared by the scenarios,
 * since on a slow server the preparation costs more than the measurement.
 */
export class World {
  readonly http: HttpClient;
  readonly #secret: string;
  readonly #prefix: string;
  readonly #groups = new Map<string, BenchUser[]>();
  readonly #filled = new Set<string>();
  readonly #rooms: string[] = [];
  readonly #members = new Set<string>();
  #names = 0;
  #transactions = 0;

  /** @param prefix localparts begin with it; must be new to the server */
  constructor(origin: string, secret: string, prefix: string) {
    // 100 waiting syncs and the sender beside them must not queue behind each other.
    this.http = new HttpClient(origin, 128);
    this.#secret = secret;
    this.#prefix = prefix;
  }

  /** A localpart that no account of this run has. */
  newName(): string {
    this.#names += 1;
    return `${this.#prefix}-${this.#names}`;
  }

  /** Registers one more account, outside the shared ones. */
  async register(): Promise<BenchUser> {
    return registerUser(this.http, this.#secret, this.newName());
  }

  /** The first `count` accounts of a group; scenarios use groups of their own, so that they do not grow each other's syncs. */
  async users(group: string, count: number): Promise<BenchUser[]> {
    const users = this.#groups.get(group) ?? [];
    this.#groups.set(group, users);
    const missing = count - users.length;
    if (missing > 0) await runLoad(preparers, { operations: missing }, async () => users.push(await this.register()));
    return users.slice(0, count);
  }

  /** The account that owns the shared rooms. */
  async owner(): Promise<BenchUser> {
    return itemAt(await this.users('owner', 1), 0);
  }

  /** The first `count` shared rooms, all created by the owner. */
  async rooms(count: number): Promise<string[]> {
    const creator = await this.owner();
    const missing = count - this.#rooms.length;
    if (missing > 0) {
      await runLoad(preparers, { operations: missing }, async () => {
        const roomId = await this.createRoom(creator);
        this.#rooms.push(roomId);
        this.#members.add(`${creator.userId} ${roomId}`);
      });
    }
    return this.#rooms.slice(0, count);
  }

  /** Creates a public room outside the shared ones. */
  async createRoom(creator: BenchUser): Promise<string> {
    const body = { preset: 'public_chat', name: 'Benchmark' };
    const room = await this.http.json<{ room_id: string }>(
      'POST', '/_matrix/client/v3/createRoom', creator.accessToken, body,
    );
    return room.room_id;
  }

  /** Joins without asking whether the account is in already. */
  async join(user: BenchUser, roomId: string): Promise<void> {
    await this.http.text('POST', `/_matrix/client/v3/join/${encodeURIComponent(roomId)}`, user.accessToken, {});
  }

  /** Makes all these accounts members; those known to be in are left alone. */
  async ensureMembers(pairs: readonly (readonly [BenchUser, string])[]): Promise<void> {
    const missing = pairs.filter(([user, roomId]) => !this.#members.has(`${user.userId} ${roomId}`));
    await runLoad(preparers, { operations: missing.length }, async (_client, sequence) => {
      const pair = missing[sequence];
      if (pair === undefined) return;
      await this.join(pair[0], pair[1]);
      this.#members.add(`${pair[0].userId} ${pair[1]}`);
    });
  }

  /**
   * Sends a text message.
   * @returns the answer's text (holds the event id)
   */
  async send(user: BenchUser, roomId: string, body: string): Promise<string> {
    this.#transactions += 1;
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/b${this.#transactions}`;
    return this.http.text('PUT', path, user.accessToken, { msgtype: 'm.text', body });
  }

  /** Puts ten messages of a kilobyte into each of these rooms, once: what a sync shows of a room. */
  async fill(roomIds: readonly string[]): Promise<void> {
    const owner = await this.owner();
    const empty = roomIds.filter((roomId) => !this.#filled.has(roomId));
    await runLoad(preparers, { operations: empty.length * 10 }, async (_client, sequence) => {
      await this.send(owner, itemAt(empty, sequence), kilobyte(`fill ${sequence}`));
    });
    for (const roomId of empty) this.#filled.add(roomId);
  }

  async close(): Promise<void> {
    await this.http.close();
  }
}

/** The list's entry at `index`, counted round and round. */
export function itemAt<T>(list: readonly T[], index: number): T {
  const item = list[index % list.length];
  if (item === undefined) throw new Error('an empty list has no entries');
  return item;
}

/** A text of 1,024 characters that begins with `start`, so that no two messages are the same. */
export function kilobyte(start: string): string {
  return start.padEnd(1024, ' lorem ipsum');
}
