import type { Clock } from './clock.js';
import { AccountRequests } from './fetch/account-requests.js';
import type { Attempt } from './fetch/account-requests.js';
import { appRequest } from './fetch/app-request.js';
import type { AppRequest } from './fetch/app-request.js';
import { FilterIds } from './fetch/filter-ids.js';
import { HomeLoop } from './fetch/home-loop.js';
import { OneTimeKeys } from './fetch/one-time-keys.js';
import { endpointOf, requestKind } from './fetch/request-kind.js';
import type { RequestKind } from './fetch/request-kind.js';
import { HomeChoice } from './health/home-choice.js';
import { HomeHealth } from './health/home-health.js';
import type { HomeView } from './health/home-health.js';
import { Answer } from './homes/answer.js';
import { discoverBaseUrl } from './homes/discover-base-url.js';
import { HomeClient } from './homes/home-client.js';
import { DeviceRemoved } from './homes/home-failure.js';
import { SessionEnd } from './homes/session-end.js';
import type { SessionEnding } from './homes/session-end.js';
import { HomeSessions } from './homes/home-sessions.js';
import { HomeTransport } from './homes/home-transport.js';
import { withLastRecord } from './homes/last-record.js';
import type { PhonebookAccount } from './phonebook/phonebook-data.js';
import type { Phonebook } from './phonebook/phonebook.js';
import { ResumeState } from './resume/resume-state.js';
import { seenEvents } from './resume/seen-events.js';
import { SlidingRequests } from './resume/sliding-requests.js';
import { SyncRequests } from './resume/sync-requests.js';
import { CopiesCompared } from './rooms/copies-compared.js';
import type { CopiesVerdict } from './rooms/copies-compared.js';
import { homeByReach, readReach } from './rooms/reach.js';
import type { Reach } from './rooms/reach.js';
import type { RoutingStorage } from './storage.js';

const unstable = '/_matrix/client/unstable/io.partyline';
const askTimeoutMs = 4_000;
const maxRoomHomes = 1_000;

/** What the interface may want to show. */
export type RoutingEvent =
  | { type: 'moved'; to: string; from: string | undefined }
  | { type: 'health'; serverName: string; view: HomeView; before: HomeView }
  /** The app is logged out, for good. */
  | SessionEnding;

export interface AccountRouterParts {
  /** The platform's `fetch`. */
  fetch: typeof globalThis.fetch;
  clock: Clock;
  storage: RoutingStorage;
  phonebook: Phonebook;
  /** An account of the phonebook. */
  userId: string;
  /** Cryptographically random bytes. */
  random(bytes: number): Uint8Array;
  /** Signs with the account key, for logins and for the account's last record: unpadded base64. */
  sign(text: string): string | Promise<string>;
  /** The base URL that the app is configured with; it need not exist. */
  baseUrl: string;
  /** How many servers must have stored a message before it counts as sent (`io.partyline.replicas`). */
  replicas?: number;
  onEvent?(event: RoutingEvent): void;
}

/**
 * One account, several homes: `fetch` for a Matrix client (the `fetchFn` of matrix-js-sdk, say) that believes in one homeserver
 * which never goes away. One per account and device.
 */
export class AccountRouter {
  private readonly health: HomeHealth;
  private readonly choice: HomeChoice;
  private readonly client: HomeClient;
  private readonly loop: HomeLoop;
  private readonly requests: AccountRequests;
  private readonly syncs: SyncRequests;
  private readonly sliding: SlidingRequests;
  private readonly resume: ResumeState;
  private readonly copies: CopiesCompared;
  private readonly session: SessionEnd;
  /** Rooms that are written to through another home than the account's, because that one reaches more replicas. */
  private readonly roomHomes = new Map<string, string>();

  constructor(private readonly parts: AccountRouterParts) {
    const { clock, storage, phonebook, userId } = parts;
    this.health = new HomeHealth(clock, (serverName, view, before) => this.healthChanged(serverName, view, before));
    this.choice = new HomeChoice(clock, (serverName) => this.health.view(serverName), (to, from) => parts.onEvent?.({ type: 'moved', to, from }));
    const transport = new HomeTransport({
      fetch: parts.fetch,
      clock,
      health: this.health,
      homes: () => this.account.homes.map((home) => home.serverName),
      baseUrl: (serverName, signal) => this.baseUrl(serverName, signal),
    });
    const key = (what: string): string => `io.partyline.${what}/${userId}`;
    this.resume = new ResumeState(storage, key('resume'));
    const sessions = new HomeSessions({ transport, phonebook, userId, sign: parts.sign, seen: () => seenEvents([this.resume, ...this.sliding.states]) });
    this.client = new HomeClient(transport, sessions);
    this.loop = new HomeLoop({
      clock,
      choice: this.choice,
      health: this.health,
      probe: transport.probe,
      candidates: () => this.account.homes,
      picked: () => this.account.pickedHome,
    });
    this.requests = new AccountRequests({
      client: this.client,
      phonebook,
      userId,
      filters: new FilterIds(storage, key('filters')),
      oneTimeKeys: new OneTimeKeys(storage, key('one-time-keys')),
      random: parts.random,
    });
    this.syncs = new SyncRequests({
      client: this.client,
      state: this.resume,
      filterAt: (serverName, filter) => this.requests.filterAt(serverName, filter),
    });
    this.sliding = new SlidingRequests({ client: this.client, userId, storage, storageKey: key('sliding') });
    const resume = { clear: async (): Promise<void> => void (await Promise.all([this.resume.clear(), this.sliding.clear()])) };
    this.session = new SessionEnd({ phonebook, userId, resume, onEnding: (ending) => parts.onEvent?.(ending) });
    this.copies = new CopiesCompared(clock);
  }

  /** Compatible with `globalThis.fetch`; requests to other places than the account's homes are passed on. */
  readonly fetch: typeof globalThis.fetch = async (input, init) => {
    const known = this.account.homes.flatMap((home) => home.baseUrl ?? []);
    const request = await appRequest(input as RequestInfo | URL, init, [this.parts.baseUrl.replace(/\/+$/, ''), ...known]);
    if (!request) return this.parts.fetch(input, init);
    return (await this.route(request)).toResponse();
  };

  /** The homes, for showing them. `current` is the one in use. */
  homes(): Array<{ serverName: string; priority: number; view: HomeView; current: boolean; loggedIn: boolean }> {
    return this.account.homes.map(({ serverName, priority, accessToken }) => ({
      serverName,
      priority,
      view: this.health.view(serverName),
      current: serverName === this.choice.currentHome,
      loggedIn: accessToken !== undefined,
    }));
  }

  /** Uses a home by hand, for the account or for writing to one room; null goes back to automatic. */
  async pick(serverName: string | null, roomId?: string): Promise<void> {
    await this.parts.phonebook.pickHome(this.parts.userId, serverName, roomId);
    if (serverName === null) return;
    this.health.rejoin(serverName);
    if (roomId === undefined) this.client.transport.move(serverName);
  }

  /** Logs in at all homes beforehand, so that moving takes no longer than the first request. Failures show in the health. */
  async warmUp(): Promise<void> {
    await Promise.allSettled(this.account.homes.map((home) => this.client.sessions.token(home.serverName)));
  }

  /** Asks a home for the account's record, and takes it if it is newer. Returns whether it was. */
  async refreshRecord(): Promise<boolean> {
    const before = new Set(this.account.homes.map((home) => home.serverName));
    const answer = await this.loop.run({
      kind: requestKind('GET', `${unstable}/account/record`, new URLSearchParams(), null),
      attempt: (serverName) => this.ask(serverName, `${unstable}/account/record`),
    });
    const taken = answer.ok && await this.client.sessions.takeRecord(answer.object());
    for (const { serverName } of this.account.homes) if (taken && !before.has(serverName)) this.health.rejoin(serverName);
    await Promise.all(this.livingHomes().map((serverName) => this.client.sessions.meet(serverName)));
    return taken;
  }

  /**
   * Asks every living home how it stands with a room: writes to the room then go through the home that reaches most
   * replicas, and copies that differ are told of. To be called when a room is opened, and each minute while it is.
   */
  async checkRoom(roomId: string): Promise<{ home: string | undefined; copies: CopiesVerdict }> {
    const path = `${unstable}/rooms/${encodeURIComponent(roomId)}/reach`;
    const reach = new Map<string, Reach>();
    await Promise.allSettled(this.livingHomes().map(async (serverName) => {
      const answer = await this.ask(serverName, path);
      if (answer.ok) reach.set(serverName, readReach(answer.object()));
    }));
    const home = homeByReach(reach, this.account.homes, this.choice.currentHome, this.parts.clock.now());
    this.noteRoomHome(roomId, home);
    const replicas = new Set([...reach.values()].flatMap((of) => Object.keys(of.replicas)));
    if (replicas.size > 0) await this.parts.phonebook.noteReplicas(this.parts.userId, roomId, [...replicas]);
    const copies = [...reach].map(([serverName, { frontier }]) => ({ serverName, frontier }));
    return { home, copies: await this.copies.compare(roomId, copies, (serverName, eventId) => this.hasEvent(serverName, roomId, eventId)) };
  }

  /** Ends all requests and probes. */
  close(): void {
    this.client.transport.close();
  }

  /** The app's session ends with the device: what it was answered last is what any request is answered then. */
  private async route(request: AppRequest): Promise<Answer> {
    const over = request.authenticated ? await this.session.answer() : undefined;
    if (over) return over;
    try {
      const answer = await this.routeToHomes(request);
      return answer.ok || !request.authenticated ? answer : (await this.session.answer()) ?? answer;
    } catch (error) {
      if (error instanceof DeviceRemoved) return this.session.end({ type: 'removed', by: error.serverName });
      const ended = request.authenticated ? await this.session.answer() : undefined;
      if (ended) return ended;
      throw error;
    }
  }

  private async routeToHomes(request: AppRequest): Promise<Answer> {
    const endpoint = endpointOf(request.path);
    if (this.parts.replicas && request.method === 'PUT' && /^rooms\/[^/]+\/send\//.test(endpoint)) {
      request.query.set('io.partyline.replicas', String(this.parts.replicas));
    }
    const kind = requestKind(request.method, request.path, request.query, request.body);
    if (endpoint === 'account/deactivate' && request.authenticated && typeof request.body === 'string') return this.deactivate(request, request.body, kind);
    if (endpoint === 'logout' && request.authenticated) return this.logout(request, kind);
    const attempt: Attempt = kind.name === 'sync' && request.authenticated
      ? (serverName) => (request.method === 'POST' ? this.sliding : this.syncs).attempt(serverName, request, kind)
      : this.requests.attempts(request, kind);
    const preferred = this.requests.preferredHome(request) ?? (kind.roomId ? this.roomHome(kind.roomId) : undefined);
    return this.loop.run({ kind, attempt, preferred, signal: request.signal });
  }

  /** Ends the sessions at all homes, not only at the one that happens to be in use. */
  private async logout(request: AppRequest, kind: RequestKind): Promise<Answer> {
    const attempt = this.requests.attempts(request, kind);
    const sessions = this.account.homes.filter((home) => home.accessToken !== undefined);
    const results = await Promise.allSettled(sessions.map((home) => attempt(home.serverName)));
    await this.session.forget();
    const answers = results.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    const answer = answers.find((candidate) => candidate.ok) ?? answers[0];
    // Without any session the person is logged out already.
    if (sessions.length === 0) return new Answer(200, new Headers({ 'content-type': 'application/json' }), new TextEncoder().encode('{}'));
    if (!answer) throw new TypeError('fetch failed');
    return answer;
  }

  /** Where the account key is here, it ends the account at all homes, and for everybody. */
  private async deactivate(request: AppRequest, text: string, kind: RequestKind): Promise<Answer> {
    const { phonebook, userId, sign } = this.parts;
    if (!this.account.record) await this.refreshRecord().catch(() => false);
    const { body, record } = await withLastRecord(text, this.account.record, sign);
    const attempt = this.requests.attempts({ ...request, body }, kind);
    const answer = await this.loop.run({ kind, attempt, signal: request.signal });
    if (answer.ok && record) await phonebook.takeRecord(userId, record);
    if (answer.ok) await this.session.answer();
    return answer;
  }

  private get account(): PhonebookAccount {
    return this.parts.phonebook.account(this.parts.userId);
  }

  private roomHome(roomId: string): string | undefined {
    return this.parts.phonebook.conversation(this.parts.userId, roomId)?.pickedHome ?? this.roomHomes.get(roomId);
  }

  private noteRoomHome(roomId: string, serverName: string | undefined): void {
    this.roomHomes.delete(roomId);
    if (serverName === undefined || serverName === this.choice.currentHome) return;
    this.roomHomes.set(roomId, serverName);
    const [oldest] = this.roomHomes.keys();
    if (this.roomHomes.size > maxRoomHomes && oldest !== undefined) this.roomHomes.delete(oldest);
  }

  private livingHomes(): string[] {
    return this.account.homes.map((home) => home.serverName)
      .filter((serverName) => !['down', 'left'].includes(this.health.view(serverName).state));
  }

  private ask(serverName: string, path: string): Promise<Answer> {
    return this.client.send(serverName, { method: 'GET', path, timeoutMs: askTimeoutMs });
  }

  /** A home that gives no answer is not accused of withholding. */
  private async hasEvent(serverName: string, roomId: string, eventId: string): Promise<boolean> {
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(roomId)}/event/${encodeURIComponent(eventId)}`;
    const answer = await this.ask(serverName, path).catch(() => undefined);
    return answer?.status !== 404;
  }

  private async baseUrl(serverName: string, signal: AbortSignal): Promise<string> {
    const { phonebook, userId } = this.parts;
    const known = phonebook.home(userId, serverName)?.baseUrl;
    if (known !== undefined) return known.replace(/\/+$/, '');
    const found = await discoverBaseUrl(this.parts.fetch, serverName, signal);
    await phonebook.noteHome(userId, serverName, { baseUrl: found });
    return found;
  }

  private healthChanged(serverName: string, view: HomeView, before: HomeView): void {
    if (view.state === 'down' || view.state === 'left') this.client.transport.evict(serverName);
    // Only for showing it after a restart: a full disk must not stop the traffic.
    this.parts.phonebook.noteHome(this.parts.userId, serverName, { seen: { state: view.state, at: view.since } }).catch(() => undefined);
    this.parts.onEvent?.({ type: 'health', serverName, view, before });
  }
}
