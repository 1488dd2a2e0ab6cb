import fc from 'fast-check';
import { accountKey } from '#e2e';
import { AccountRouter } from '../src/account-router.js';
import { Phonebook } from '../src/phonebook/phonebook.js';
import { FakeClock } from './fake-clock.js';
import type { AppBody } from './fake-network.js';
import { FakeHome } from './fake-home.js';
import { FakeRoom } from './fake-room.js';
import { FakeStorage } from './fake-storage.js';

const names = ['a', 'b', 'c'];
const userId = '@alice:example';

type Step =
  | { do: 'say' }
  /** One more message to the device, like all others but for its id; some homes hear of it later. */
  | { do: 'message'; late: number }
  | { do: 'spread' }
  | { do: 'replicate'; home: number; events: number }
  | { do: 'kill' | 'revive' | 'pick'; home: number }
  /** `lost`: the app never sees the answer, and asks again. */
  | { do: 'sync'; lost: boolean }
  | { do: 'save' }
  /** The app falls back to what it saved last. */
  | { do: 'restart' };

const home = fc.nat({ max: names.length - 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(fc.oneof(
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'say' }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('message' as const), late: home }) },
  { weight: 1, arbitrary: fc.constant<Step>({ do: 'spread' }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('sync' as const), lost: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('replicate' as const), home, events: fc.nat({ max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('kill' as const, 'revive' as const, 'pick' as const), home }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'save' }, { do: 'restart' }) },
), { maxLength: 40 });

class Person {
  readonly clock = new FakeClock();
  readonly room = new FakeRoom();
  readonly dead = new Set<string>();
  private readonly key = accountKey(new Uint8Array(32).fill(1));
  readonly homes = names.map((name) => new FakeHome(name, this.room, this.key.publicKey));
  private readonly storage = new FakeStorage();
  private router!: AccountRouter;
  /** What the person sees, and where the app is. */
  shown: string[] = [];
  /** Ids of the messages to the device that the app has. */
  got: string[] = [];
  /** Messages to the device so far, and those that a home will hear of. */
  messages = 0;
  private readonly late: [FakeHome, string][] = [];
  private since: string | undefined;
  private saved: { shown: string[]; got: string[]; since: string | undefined } = { shown: [], got: [], since: undefined };

  static async start(): Promise<Person> {
    const person = new Person();
    for (const fake of person.homes) fake.replicated = 0;
    const phonebook = await Phonebook.open(person.storage, person.clock);
    const homes = names.map((serverName, i) => ({ serverName, priority: i, baseUrl: `http://${serverName}` }));
    await phonebook.addAccount({ userId, deviceId: 'D', deviceSecret: new Uint8Array(32), homes });
    await person.open();
    return person;
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'say': this.room.add('@bob:b', { body: String(this.room.events.length) }); break;
      case 'message': {
        const id = `m${this.messages++}`;
        this.homes.forEach((fake, i) => (i === step.late ? this.late.push([fake, id]) : fake.message(id, { ciphertext: 'x' })));
        break;
      }
      case 'spread': for (const [fake, id] of this.late.splice(0)) fake.message(id, { ciphertext: 'x' }); break;
      case 'replicate': {
        const fake = this.homes[step.home]!;
        fake.replicated = Math.min(this.room.events.length, fake.replicated + step.events);
        break;
      }
      case 'kill': this.dead.add(names[step.home]!); break;
      case 'revive': this.dead.delete(names[step.home]!); break;
      case 'pick': await this.router.pick(names[step.home]!); break;
      case 'sync': await this.sync(step.lost); break;
      case 'save': this.saved = { shown: [...this.shown], got: [...this.got], since: this.since }; break;
      case 'restart':
        this.shown = [...this.saved.shown];
        this.got = [...this.saved.got];
        this.since = this.saved.since;
        await this.open();
    }
  }

  async sync(lost: boolean): Promise<void> {
    const query = new URLSearchParams({ timeout: '0', ...(this.since === undefined ? {} : { since: this.since }) });
    const url = `https://partyline.invalid/_matrix/client/v3/sync?${query.toString()}`;
    const response = await this.router.fetch(url, { headers: { authorization: 'Bearer x' } }).catch(() => undefined);
    if (!response?.ok || lost) return;
    const body = await response.json() as AppBody;
    const timeline = body.rooms?.join?.[this.room.roomId]?.timeline;
    const texts = (timeline?.events ?? []).map((event) => event.content.body);
    this.shown = timeline?.limited ? texts : [...this.shown, ...texts];
    for (const event of body.to_device?.events ?? []) this.got.push(String((event as Record<string, unknown>)['io.partyline.id']));
    this.since = body.next_batch;
  }

  private async open(): Promise<void> {
    this.router?.close();
    this.router = new AccountRouter({
      fetch: (input, init) => this.fetch(String(input), init),
      clock: this.clock,
      storage: this.storage,
      phonebook: await Phonebook.open(this.storage, this.clock),
      userId,
      random: (bytes) => new Uint8Array(bytes),
      sign: (text) => this.key.sign(text),
      baseUrl: 'https://partyline.invalid',
    });
  }

  private async fetch(input: string, init: RequestInit | undefined): Promise<Response> {
    const url = new URL(input);
    if (this.dead.has(url.hostname)) throw new TypeError('fetch failed', { cause: { code: 'ECONNREFUSED' } });
    const { status, body } = await this.homes[names.indexOf(url.hostname)]!.handle({
      method: init?.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      body: typeof init?.body === 'string' ? init.body : '',
      token: new Headers(init?.headers).get('authorization')?.replace('Bearer ', ''),
    });
    return new Response(JSON.stringify(body), { status });
  }
}

describe('exact resume', () => {
  it('shows everything once and in order, whatever happens to homes, answers and the app', async () => {
    await fc.assert(fc.asyncProperty(steps, async (script) => {
      const person = await Person.start();
      for (const step of script) {
        await person.take(step);
        // Never a gap and never a repetition, also on the way.
        expect(person.shown).toEqual(person.shown.map((_, i) => String(i)));
        expect(new Set(person.got).size).toBe(person.got.length);
      }
      await person.take({ do: 'spread' });
      person.dead.clear();
      for (const fake of person.homes) fake.replicated = person.room.events.length;
      await person.sync(false);
      await person.sync(false);
      expect(person.shown).toHaveLength(person.room.events.length);
      // An app that falls back to an older token has lost what it acknowledged with younger ones, as with any server.
      if (!script.some((step) => step.do === 'restart')) expect(new Set(person.got).size).toBe(person.messages);
      expect(new Set(person.got).size).toBe(person.got.length);
      expect(person.shown).toEqual(person.shown.map((_, i) => String(i)));
    }), { numRuns: 500 });
  });
});
