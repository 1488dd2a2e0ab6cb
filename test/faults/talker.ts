import { setTimeout as sleep } from 'node:timers/promises';
import { nextHomeRecord } from '#e2e';
import { recordWithHome, registerOwned, type OwnedAccount } from '../../apps/homeserver/src/demo/account.js';
import { ask } from '../../apps/homeserver/src/demo/ask.js';
import { appBaseUrl, routed, takeRecord, type Routed } from '../../apps/homeserver/src/demo/router.js';
import type { ServerProcess } from '../../apps/homeserver/src/demo/server-process.js';
import { until } from '../../apps/homeserver/src/demo/within.js';
import type { Json } from '../network/test-client.js';

const SYNC_MS = 20_000;
const RETRY_MS = 100;
const GIVE_UP_MS = 30_000;
const MAX_PAGES = 20;
const filter = JSON.stringify({ room: { timeline: { limit: 1_000 } } });

export interface Message {
  readonly roomId: string;
  readonly text: string;
  readonly eventId: string;
}

/** Somebody with two homes and a client that syncs all the time, through libs/routing; without encryption, which only costs time here. */
export class Talker {
  readonly #stop = new AbortController();
  readonly #listeners = new Set<(message: Message) => void>();
  readonly #removals = new Set<(eventId: string) => void>();
  /** Texts of messages to this device, as they came. */
  readonly #toDevice: string[] = [];
  /** By room, ids of the events that were shown. */
  readonly #shown = new Map<string, Set<string>>();
  #running: Promise<void> = Promise.resolve();
  #lastError = 'no error';

  private constructor(
    readonly name: string,
    private account: OwnedAccount,
    private readonly routed: Routed,
    readonly homes: readonly ServerProcess[],
  ) {}

  static async enter(name: string, homes: readonly [ServerProcess, ServerProcess]): Promise<Talker> {
    const [first, second] = homes;
    const account = await registerOwned(first, name, `${name.toUpperCase()}1`, Date.now());
    const way = await routed(account, first, { replicas: 2 });
    const record = await recordWithHome(account, second, 10);
    const path = '/_matrix/client/unstable/io.partyline/account/record';
    await ask(first.url, { method: 'PUT', path, accessToken: account.accessToken, body: { record } });
    await takeRecord(way, record, [second]);
    const talker = new Talker(name, { ...account, record }, way, homes);
    await until(15_000, `${second.label} to become a home of ${name}`, async () => {
      await way.router.warmUp();
      return homes.every((home) => talker.#tokenAt(home) !== undefined);
    });
    talker.#running = talker.#sync();
    return talker;
  }

  get userId(): string {
    return this.account.userId;
  }

  onMessage(listener: (message: Message) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Called for events that make place for a timeline which begins anew. */
  onRemoved(listener: (eventId: string) => void): () => void {
    this.#removals.add(listener);
    return () => this.#removals.delete(listener);
  }

  /** Label of the server that the client uses. */
  get homeInUse(): string {
    const current = this.routed.router.homes().find((home) => home.current)?.serverName;
    return this.homes.find((home) => home.serverName === current)!.label;
  }

  /** What is known of this client's syncing, for explaining a failure. */
  get trouble(): string {
    const homes = this.routed.router.homes().map(({ serverName, view, current }) => `${serverName} ${view.state}${current ? ' in use' : ''}`);
    return `${this.#lastError}; ${homes.join(', ')}`;
  }

  async createRoom(body: object): Promise<string> {
    return (await this.request('POST', 'v3/createRoom', body)).room_id;
  }

  /** @param via servers of which one at least holds the room */
  async join(roomId: string, via: readonly ServerProcess[]): Promise<void> {
    const query = via.map((server) => `via=${encodeURIComponent(server.serverName)}`).join('&');
    await this.request('POST', `v3/join/${encodeURIComponent(roomId)}?${query}`, {});
  }

  /** Whether this client knows itself to be in the room. */
  isIn(roomId: string): boolean {
    return this.#shown.has(roomId);
  }

  /** Tries until it is acknowledged; resolves with the event id and the servers that are said to have it. */
  async say(roomId: string, text: string): Promise<{ eventId: string; replicas: string[] }> {
    const path = `v3/rooms/${encodeURIComponent(roomId)}/send/m.room.message/${encodeURIComponent(text)}`;
    const answer = await this.#insist('PUT', path, { msgtype: 'm.text', body: text });
    return { eventId: answer.event_id, replicas: answer['io.partyline.replicas'] ?? [] };
  }

  async setState(roomId: string, type: string, content: object): Promise<void> {
    await this.#insist('PUT', `v3/rooms/${encodeURIComponent(roomId)}/state/${type}/`, content);
  }

  /** Account data; resolves when it is acknowledged. */
  async setData(type: string, content: object): Promise<void> {
    await this.#insist('PUT', this.dataPath(type), content);
  }

  dataPath(type: string): string {
    return `v3/user/${encodeURIComponent(this.userId)}/account_data/${type}`;
  }

  /** A message to the device of somebody; resolves when it is acknowledged. */
  async tellDevice(other: Talker, text: string): Promise<void> {
    const body = { messages: { [other.userId]: { [other.account.deviceId]: { text } } } };
    await this.#insist('PUT', `v3/sendToDevice/org.example.note/${encodeURIComponent(text)}`, body);
  }

  /** Texts of messages to this device in the raw answers, repeats and all. */
  get toDevice(): readonly string[] {
    return this.#toDevice;
  }

  /** The version of the record that this client has last had acknowledged. */
  get recordSeq(): number {
    return this.account.record.seq;
  }

  /** Signs a record that has a third home or has it no more, and publishes it at one server; does nothing where it is so already. */
  async setThirdHome(at: ServerProcess, third: ServerProcess, isWanted: boolean): Promise<void> {
    const { record, key } = this.account;
    const isIn = record.homes.some((home) => home.server_name === third.serverName);
    if (isIn === isWanted) return;
    const next = isIn ? nextHomeRecord(record, { drop: [third.serverName] }, key) : await recordWithHome(this.account, third, 20);
    const path = '/_matrix/client/unstable/io.partyline/account/record';
    await ask(at.url, { method: 'PUT', path, accessToken: this.#tokenAt(at)!, body: { record: next } });
    this.account = { ...this.account, record: next };
    await takeRecord(this.routed, next, [third]);
  }

  /** Asks one server, rather than the one that the client would choose. */
  at(home: ServerProcess, path: string): Promise<Json> {
    return ask(home.url, { method: 'GET', path: `/_matrix/client/${path}`, accessToken: this.#tokenAt(home) });
  }

  async request(method: string, path: string, body?: object): Promise<Json> {
    const response = await this.routed.router.fetch(`${appBaseUrl}/_matrix/client/${path}`, {
      method,
      headers: { authorization: 'Bearer of the app' },
      signal: this.#stop.signal,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const answer = (await response.json()) as Json;
    if (!response.ok) throw new Error(`${this.name}: ${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
    return answer;
  }

  async leave(): Promise<void> {
    this.#stop.abort();
    this.routed.router.close();
    await this.#running;
  }

  async #insist(method: string, path: string, body?: object): Promise<Json> {
    const end = performance.now() + GIVE_UP_MS;
    for (;;) {
      try {
        return await this.request(method, path, body);
      } catch (error) {
        if (this.#stop.signal.aborted || performance.now() > end) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  async #sync(): Promise<void> {
    let since = '';
    while (!this.#stop.signal.aborted) {
      try {
        const query = new URLSearchParams({ filter, timeout: since === '' ? '0' : String(SYNC_MS), ...(since === '' ? {} : { since }) });
        const answer = await this.request('GET', `v3/sync?${query.toString()}`);
        since = answer.next_batch;
        for (const event of (answer.to_device?.events ?? []) as Json[]) if (event.type === 'org.example.note') this.#toDevice.push(event.content.text);
        for (const [roomId, { timeline }] of Object.entries<Json>(answer.rooms?.join ?? {})) await this.#read(roomId, timeline);
        this.#lastError = 'no error';
      } catch (error) {
        this.#lastError = String(error);
        // All homes are out of reach for the moment.
        await sleep(RETRY_MS);
      }
    }
  }

  async #read(roomId: string, timeline: Json): Promise<void> {
    const shown = this.#shown.get(roomId);
    let events: Json[] = timeline.events;
    if (timeline.limited && shown) {
      // A timeline with a gap before it takes the place of what was there. Whoever scrolls up gets the rest of it again.
      events = [...(await this.#history(roomId, timeline.prev_batch)), ...events];
      for (const eventId of shown) for (const listener of this.#removals) listener(eventId);
      shown.clear();
    }
    if (!shown) this.#shown.set(roomId, new Set());
    for (const event of events) this.#show(roomId, event);
  }

  async #history(roomId: string, prevBatch: string): Promise<Json[]> {
    const found: Json[] = [];
    let from: string | undefined = prevBatch;
    for (let page = 0; page < MAX_PAGES && from !== undefined; page++) {
      const query = new URLSearchParams({ dir: 'b', limit: '200', from });
      const { chunk, end }: Json = await this.#insist('GET', `v3/rooms/${encodeURIComponent(roomId)}/messages?${query.toString()}`);
      found.push(...chunk);
      from = end;
    }
    return found.reverse();
  }

  #show(roomId: string, event: Json): void {
    this.#shown.get(roomId)!.add(event.event_id);
    if (event.type !== 'm.room.message') return;
    for (const listener of this.#listeners) listener({ roomId, text: event.content.body, eventId: event.event_id });
  }

  #tokenAt(home: ServerProcess): string | undefined {
    return this.routed.phonebook.home(this.userId, home.serverName)?.accessToken;
  }
}
