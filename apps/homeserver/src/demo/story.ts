import { setTimeout as sleep } from 'node:timers/promises';
import { proof, recordWithHome, register, registerOwned, type OwnedAccount } from './account.js';
import { ask } from './ask.js';
import { Ledger } from './ledger.js';
import { RawAnswers } from './raw-answers.js';
import type { Narrator } from './narrator.js';
import { Person } from './person.js';
import { encryptedEvents } from './room-events.js';
import { appBaseUrl, routed, takeRecord, type Routed } from './router.js';
import type { ServerProcess } from './server-process.js';
import { Talk } from './talk.js';
import { until, within } from './within.js';

const PERIOD_MS = 120;
const CHAT_MS = 4_000;
const ATTACH_TIMEOUT_MS = 20_000;
const SETTLE_TIMEOUT_MS = 20_000;
const unstable = '/_matrix/client/unstable/io.partyline';

export interface StoryParts {
  readonly servers: readonly ServerProcess[];
  readonly narrator: Narrator;
  /** Repeatable numbers in [0, 1). */
  readonly draw: () => number;
  /** Milliseconds from any start. */
  readonly now: () => number;
}

/** How it ended. */
export interface Outcome {
  readonly ledger: Ledger;
  /** What came twice in the answers that reached the clients' library, which does not show it. */
  readonly repeated: readonly string[];
  /** From the kill of A to Alice's next acknowledged message. */
  readonly failoverMs: number;
  /** From the end of the last home until Alice wrote through the emergency home. */
  readonly noHomeMs: number;
  /** From the start of A's process until it had everything. */
  readonly catchUpMs: number;
  /** About each message that somebody did not see, what that person's client knows of it. */
  readonly unseen: readonly string[];
}

/** The demonstration itself. The servers do not run yet when it begins. */
export class Story {
  readonly #ledger = new Ledger(['alice', 'bob']);
  readonly #raw = { alice: new RawAnswers(), bob: new RawAnswers() };
  readonly #a: ServerProcess;
  readonly #b: ServerProcess;
  readonly #c: ServerProcess;
  #account!: OwnedAccount;
  #routed!: Routed;
  #alice!: Person;
  #bob!: Person;
  #talk!: Talk;
  #roomId = '';
  /** The home that Alice's app has moved to last. */
  #movedTo: string | undefined;

  constructor(private readonly parts: StoryParts) {
    [this.#a, this.#b, this.#c] = parts.servers as [ServerProcess, ServerProcess, ServerProcess];
  }

  async tell(): Promise<Outcome> {
    const { narrator } = this.parts;
    narrator.chapter('Three servers, two people');
    await this.#startServers();
    await this.#introduceAlice();
    await this.#introduceBob();
    narrator.chapter('They talk');
    await this.#openRoom();
    await this.#listen(CHAT_MS);
    narrator.chapter('Server A is killed');
    const failoverMs = await this.#killFirstHome();
    await this.#listen(CHAT_MS);
    narrator.chapter('Server A comes back');
    const catchUpMs = await this.#bringBack();
    await this.#listen(CHAT_MS / 2);
    narrator.chapter('Both of Alice’s homes are gone');
    const noHomeMs = await this.#emergency();
    await this.#listen(CHAT_MS / 2);
    narrator.chapter('Counting');
    await this.#settle();
    const unseen = [this.#alice, this.#bob].flatMap((person) => this.#ledger.missing(person.name).map(({ name, eventId }) =>
      `${person.name} did not see message ${name}: ${person.knows(this.#roomId, eventId)}`));
    return { ledger: this.#ledger, repeated: [...this.#raw.alice.repeated, ...this.#raw.bob.repeated], failoverMs, noHomeMs, catchUpMs, unseen };
  }

  /** Ends the clients; the servers are the stage's. */
  close(): void {
    this.#talk?.abandon();
    for (const person of [this.#alice, this.#bob]) person?.leave();
    this.#routed?.router.close();
  }

  async #startServers(): Promise<void> {
    const { narrator, servers } = this.parts;
    await Promise.all(servers.map((server) => server.start()));
    narrator.say(`Three servers run on this computer, each with its own database: ${list(servers.map(({ label, serverName }) => `${label} (${serverName})`))}.`);
  }

  async #introduceAlice(): Promise<void> {
    const { narrator } = this.parts;
    this.#account = await registerOwned(this.#a, 'alice', 'ALICESPHONE', Date.now());
    this.#routed = await routed(this.#account, this.#a, { replicas: 2, onEvent: (event) => void (event.type === 'moved' && this.#moved(event.to)) });
    narrator.say('Alice has an account on A. The key of the account is hers: it is on her phone, not on a server.');
    const record = await recordWithHome(this.#account, this.#b, 10);
    await ask(this.#a.url, { method: 'PUT', path: `${unstable}/account/record`, accessToken: this.#account.accessToken, body: { record } });
    await this.#takeRecord(record);
    await this.#homeIsReady(this.#b);
    await this.#routed.router.warmUp();
    narrator.say('With that key she has made B her second home. A and B now both serve the same Alice.');
    this.#alice = await Person.enter('alice', this.#account, appBaseUrl, this.#raw.alice.listen(this.#routed.router.fetch));
  }

  async #introduceBob(): Promise<void> {
    const session = await register(this.#c, 'bob', 'BOBSLAPTOP');
    this.#bob = await Person.enter('bob', session, this.#c.url, this.#raw.bob.listen(globalThis.fetch));
    this.parts.narrator.say('Bob has an account on C, made with an ordinary Matrix client.');
  }

  async #openRoom(): Promise<void> {
    const { narrator, draw, now } = this.parts;
    this.#roomId = await this.#alice.openRoom('Boathouse', this.#bob.userId);
    await this.#bob.join(this.#roomId);
    await Promise.all([this.#alice.seesRoom(this.#roomId, [this.#bob]), this.#bob.seesRoom(this.#roomId, [this.#alice])]);
    await until(ATTACH_TIMEOUT_MS, 'B to have the room', () => this.#holdsRoom(this.#b));
    narrator.say('Alice opens an encrypted room, and Bob joins. All three servers hold a copy of it; none of them can read it.');
    this.#talk = new Talk({ roomId: this.#roomId, people: [this.#alice, this.#bob], ledger: this.#ledger, periodMs: PERIOD_MS, draw, now });
    this.#talk.begin();
    narrator.say(`Both write about ${Math.round(1_000 / PERIOD_MS)} messages a second from now on. They fail to notice what happens around them.`);
  }

  async #killFirstHome(): Promise<number> {
    const { narrator, draw, now } = this.parts;
    await sleep(200 + 600 * draw());
    const killedAt = now();
    await this.#a.kill();
    narrator.say('kill -9: the process of A is gone, in the middle of a sentence. It could tell nobody and finish nothing.');
    await until(15_000, 'Alice’s app to move to B', () => this.#movedTo === this.#b.serverName);
    await until(15_000, 'Alice’s messages to go through B', () => this.#talk.sentAfter('alice', killedAt + 1) !== undefined);
    const failoverMs = this.#talk.sentAfter('alice', killedAt + 1)! - killedAt;
    narrator.say(`Alice’s app went on through B. She could have noticed a pause of ${seconds(failoverMs)}. Bob’s app has nothing to do at all.`);
    return failoverMs;
  }

  async #bringBack(): Promise<number> {
    const { narrator, now } = this.parts;
    const started = now();
    await this.#a.start();
    const wanted = this.#ledger.eventIds('bob');
    narrator.say(`A runs again. While it was away, it missed a part of the ${wanted.length} messages that are in the room by now.`);
    await until(SETTLE_TIMEOUT_MS, 'A to catch up', async () => {
      const held = await encryptedEvents(this.#a.url, await this.#tokenAt(this.#a), this.#roomId);
      const missing = wanted.filter((eventId) => !held.has(eventId)).length;
      // A message that A took and told nobody of was sent again through B; A keeps its own copy of it and shows no other.
      const ownCopies = [...held].filter((eventId) => !wanted.includes(eventId)).length;
      return missing === 0 || (missing === 1 && ownCopies > 0);
    });
    const catchUpMs = now() - started;
    narrator.say(`A has all of them, ${seconds(catchUpMs)} after its start. Nobody had to tell it.`);
    return catchUpMs;
  }

  async #emergency(): Promise<number> {
    const { narrator, now } = this.parts;
    const from = now();
    await Promise.all([this.#a.stop(), this.#b.stop()]);
    narrator.say('A and B are switched off. Alice has no home now; what she writes waits on her phone. Bob goes on writing.');
    const record = await recordWithHome(this.#account, this.#c, 20);
    narrator.say('Alice asks C, Bob’s server, to take her in, and signs that with her key. A and B are not asked; they cannot be.');
    // What her phone knows of her rooms comes along, because the homes that knew it are gone.
    const rooms = { [this.#roomId]: [this.#c.serverName] };
    const signed = await proof(this.#c, record.user_id, this.#account.key);
    await ask(this.#c.url, { method: 'PUT', path: `${unstable}/account/record`, body: { record, rooms, ...signed } });
    await this.#takeRecord(record);
    this.#alice.client.retryImmediately();
    await until(ATTACH_TIMEOUT_MS, 'Alice’s messages to go through C', () => this.#movedTo === this.#c.serverName && this.#talk.sentAfter('alice', from + 1) !== undefined);
    const noHomeMs = now() - from;
    this.#ledger.excuse(from, now());
    narrator.say(`C is her emergency home after ${seconds(noHomeMs)}: the same Alice, the same room, and the waiting messages went out in order.`);
    return noHomeMs;
  }

  async #settle(): Promise<void> {
    await within(SETTLE_TIMEOUT_MS, 'the last messages to be acknowledged', this.#talk.end());
    await until(SETTLE_TIMEOUT_MS, 'the last messages to come up', () => this.#ledger.isSettled()).catch(() => undefined);
    this.parts.narrator.say('Both have stopped writing, and the last messages have arrived.');
  }

  /** Lets the two talk for a while, and quotes what they say. */
  async #listen(ms: number): Promise<void> {
    const { narrator } = this.parts;
    const quotes = Math.max(1, Math.round(ms / 1_000));
    for (let i = 0; i < quotes; i++) {
      await sleep(ms / quotes);
      const who = i % 2 === 0 ? 'alice' : 'bob';
      narrator.quote(who === 'alice' ? 'Alice' : 'Bob', this.#talk.lastLine(who));
    }
    const { acknowledged } = this.#ledger.figures();
    narrator.say(`${acknowledged} messages so far, of which Bob has read ${this.#ledger.countSeen('bob')} and Alice ${this.#ledger.countSeen('alice')}.`);
  }

  async #takeRecord(record: OwnedAccount['record']): Promise<void> {
    this.#account = { ...this.#account, record };
    await takeRecord(this.#routed, record, this.parts.servers.filter(({ serverName }) => record.homes.some((home) => home.server_name === serverName)));
  }

  async #homeIsReady(home: ServerProcess): Promise<void> {
    await until(ATTACH_TIMEOUT_MS, `server ${home.label} to become a home`, () => this.#routed.router.warmUp().then(() => this.#tokenAt(home)));
  }

  async #holdsRoom(home: ServerProcess): Promise<boolean> {
    const accessToken = await this.#tokenAt(home);
    const { joined } = await ask(home.url, { method: 'GET', path: `/_matrix/client/v3/rooms/${encodeURIComponent(this.#roomId)}/joined_members`, accessToken });
    return Object.keys(joined as object).length === 2;
  }

  async #tokenAt(home: ServerProcess): Promise<string> {
    const token = this.#routed.phonebook.home(this.#account.userId, home.serverName)?.accessToken;
    if (token === undefined) throw new Error(`Alice is not logged in at ${home.label}`);
    return token;
  }

  #moved(to: string): void {
    this.#movedTo = to;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(ms < 1_000 ? 2 : 1)} seconds`;
}

function list(items: readonly string[]): string {
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
