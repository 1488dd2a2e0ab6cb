import { accountKey } from '#e2e';
import { AccountRouter } from '../src/account-router.js';
import type { AccountRouterParts, RoutingEvent } from '../src/account-router.js';
import { Phonebook } from '../src/phonebook/phonebook.js';
import { FakeClock } from './fake-clock.js';
import { FakeHome } from './fake-home.js';
import { FakeRoom } from './fake-room.js';
import { FakeStorage } from './fake-storage.js';

export const userId = '@alice:example';
export const baseUrl = 'https://partyline.invalid';

/** What the fake homes' answers hold. */
export interface AppBody {
  [member: string]: unknown;
  event_id?: string;
  filter_id?: string;
  next_batch?: string;
  end?: string;
  chunk?: AppEvent[];
  rooms?: { join?: Record<string, { timeline: { events: AppEvent[]; limited?: boolean; prev_batch?: string } }> };
  to_device?: { events: object[] };
}

export interface AppEvent {
  event_id: string;
  content: { body: string };
}

/** An account with its homes, best priority first, and a client. */
export class FakeNetwork {
  readonly clock = new FakeClock();
  readonly storage = new FakeStorage();
  readonly room = new FakeRoom();
  readonly events: RoutingEvent[] = [];
  readonly homes: FakeHome[] = [];
  phonebook!: Phonebook;
  router!: AccountRouter;
  private readonly key = accountKey(new Uint8Array(32).fill(1));

  static async start(names: string[], parts: Partial<AccountRouterParts> = {}): Promise<FakeNetwork> {
    const network = new FakeNetwork();
    for (const name of names) {
      const home = new FakeHome(name, network.room, network.key.publicKey);
      await home.listen();
      network.homes.push(home);
    }
    network.phonebook = await Phonebook.open(network.storage, network.clock);
    await network.phonebook.addAccount({
      userId,
      deviceId: 'PHONE',
      deviceSecret: new Uint8Array(32).fill(9),
      homes: network.homes.map((home, i) => ({ serverName: home.serverName, priority: i * 10, baseUrl: home.baseUrl })),
    });
    await network.startClient(parts);
    return network;
  }

  /** A client with the storage of the one before, as after a restart of the app. */
  async startClient(parts: Partial<AccountRouterParts> = {}): Promise<void> {
    this.router?.close();
    this.phonebook = await Phonebook.open(this.storage, this.clock);
    let drawn = 0;
    this.router = new AccountRouter({
      fetch: globalThis.fetch,
      clock: this.clock,
      storage: this.storage,
      phonebook: this.phonebook,
      userId,
      random: (bytes) => new Uint8Array(bytes).fill(++drawn),
      sign: (text) => this.key.sign(text),
      baseUrl,
      onEvent: (event) => this.events.push(event),
      ...parts,
    });
  }

  /** A request as the app makes it. */
  async request(method: string, endpoint: string, body?: unknown, signal?: AbortSignal): Promise<{ status: number; body: AppBody }> {
    const response = await this.router.fetch(`${baseUrl}/_matrix/client/${endpoint}`, {
      method,
      signal,
      headers: { authorization: 'Bearer of the app' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() as AppBody };
  }

  get(endpoint: string): Promise<{ status: number; body: AppBody }> {
    return this.request('GET', endpoint);
  }

  send(text: string, transactionId = text): Promise<{ status: number; body: AppBody }> {
    const room = encodeURIComponent(this.room.roomId);
    return this.request('PUT', `v3/rooms/${room}/send/m.room.message/${transactionId}`, { body: text });
  }

  /** One sync; returns the token and the texts of the timeline. */
  async sync(since?: string, timeout = 0): Promise<{ next: string; texts: string[]; limited: boolean; body: AppBody }> {
    const query = new URLSearchParams({ timeout: String(timeout), ...(since ? { since } : {}) });
    const { status, body } = await this.get(`v3/sync?${query.toString()}`);
    if (status !== 200) throw new Error(`sync: ${status} ${JSON.stringify(body)}`);
    const timeline = body['rooms']?.join?.[this.room.roomId]?.timeline;
    return {
      next: body['next_batch'] ?? '',
      texts: (timeline?.events ?? []).map((event) => event.content.body),
      limited: timeline?.limited ?? false,
      body,
    };
  }

  async stop(): Promise<void> {
    this.router.close();
    await Promise.all(this.homes.map((home) => home.kill().catch(() => undefined)));
  }
}
