import { randomBytes } from 'node:crypto';
import { AccountRouter, Phonebook, type Clock, type RoutingEvent } from '#routing';
import { memoryStorage } from '../../apps/homeserver/src/demo/router.js';
import type { Person } from '../network/person.js';
import type { TestServer } from '../network/test-server.js';
import type { Json } from '../network/test-client.js';

const BASE_URL = 'https://partyline.invalid';

/** The wall clock, which a test can put forward. */
export class ShiftedClock implements Clock {
  #aheadMs = 0;

  now(): number {
    return Date.now() + this.#aheadMs;
  }

  timer(ms: number, run: () => void): () => void {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  }

  skip(ms: number): void {
    this.#aheadMs += ms;
  }
}

/** One device of a person that reaches its homes through libs/routing, as our clients do. */
export class RoutedPerson {
  private constructor(
    readonly router: AccountRouter,
    readonly clock: ShiftedClock,
    readonly events: readonly RoutingEvent[],
  ) {}

  /** @param homes in the order of preference */
  static async enter(person: Person, homes: readonly TestServer[], deviceId: string): Promise<RoutedPerson> {
    const clock = new ShiftedClock();
    const storage = memoryStorage();
    const phonebook = await Phonebook.open(storage, clock);
    const { userId } = person;
    await phonebook.addAccount({
      userId, deviceId, deviceSecret: randomBytes(32), record: person.record,
      homes: homes.map((home, i) => ({ serverName: home.name, priority: i * 10, baseUrl: home.url })),
    });
    const events: RoutingEvent[] = [];
    const router = new AccountRouter({
      fetch: globalThis.fetch, clock, storage, phonebook, userId, random: (bytes) => randomBytes(bytes), sign: (text) => person.key.sign(text), baseUrl: BASE_URL,
      onEvent: (event) => events.push(event),
    });
    return new RoutedPerson(router, clock, events);
  }

  async request(method: string, endpoint: string, body?: Json): Promise<Json> {
    const response = await this.router.fetch(`${BASE_URL}/_matrix/client/${endpoint}`, {
      method, headers: { authorization: 'Bearer of the app' }, ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${endpoint}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  sync(since?: string, timeout = 0): Promise<Json> {
    const query = new URLSearchParams({ timeout: String(timeout), ...(since === undefined ? {} : { since }) });
    return this.request('GET', `v3/sync?${query.toString()}`);
  }

  leave(): void {
    this.router.close();
  }
}
