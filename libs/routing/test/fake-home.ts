import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loginProofText, verifyText } from '#e2e';
import type { FakeRoom, RoomMessage } from './fake-room.js';

export interface SeenRequest {
  method: string;
  path: string;
  query: URLSearchParams;
  body: string;
  token: string | undefined;
}

type Json = Record<string, unknown>;

export type FakeAnswer = { status: number; body: unknown } | 'hang' | 'die' | 'store and die';

/** A small homeserver over HTTP, of which everything can be made to go wrong. */
export class FakeHome {
  readonly seen: SeenRequest[] = [];
  /** How many events of the room it has. */
  replicated = Number.POSITIVE_INFINITY;
  supportsResume = true;
  /** Overrides the answer to a request. */
  answer: (request: SeenRequest) => FakeAnswer | undefined = () => undefined;
  /** Messages that wait for the device; those that a sync gave out go with the next one that has its token. */
  toDevice: Json[] = [];
  /** Ids of messages that the device has received, here or elsewhere as the account's log tells. */
  readonly consumed = new Set<string>();
  /** What it has of other homes' logs. */
  vector: Record<string, number> = {};
  baseUrl = '';
  private readonly tokens = new Set<string>();
  private readonly filters: string[] = [];
  private nonces = 0;
  private waiting: Array<() => void> = [];
  private polls: Array<() => void> = [];
  private readonly server: Server = createServer((request, response) => void this.serve(request, response));

  constructor(readonly serverName: string, private readonly room: FakeRoom, private readonly publicKey: string) {}

  async listen(port = 0): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.baseUrl = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** As if the process were killed. */
  async kill(): Promise<void> {
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  /** As if the process were stopped: connections stay, answers do not come. */
  freeze(): void {
    this.answer = () => 'hang';
  }

  /** Resolves once `count` such requests have arrived. */
  async saw(matches: (request: SeenRequest) => boolean, count = 1): Promise<SeenRequest[]> {
    for (;;) {
      const found = this.seen.filter(matches);
      if (found.length >= count) return found;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  to(endpoint: string): SeenRequest[] {
    return this.seen.filter((request) => request.path.endsWith(endpoint));
  }

  /** Wakes waiting polls after something has been added to the room. */
  wake(): void {
    for (const poll of this.polls.splice(0)) poll();
  }

  revokeTokens(): void {
    this.tokens.clear();
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '', 'http://home');
    const seen: SeenRequest = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      body: Buffer.concat(chunks).toString(),
      token: request.headers.authorization?.replace('Bearer ', ''),
    };
    this.seen.push(seen);
    for (const resolve of this.waiting.splice(0)) resolve();
    const forced = this.answer(seen);
    if (forced === 'store and die') await this.handle(seen);
    if (forced === 'hang') return;
    if (forced === 'die' || forced === 'store and die') {
      request.socket.destroy();
      return;
    }
    const { status, body } = forced ?? await this.handle(seen);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }

  /** The answer of a home that is well, without HTTP. */
  async handle(request: SeenRequest): Promise<{ status: number; body: unknown }> {
    const { method, path, query } = request;
    if (path.endsWith('/versions')) return ok({ versions: ['v1.11'] });
    if (path.endsWith('/login/nonce')) return ok({ nonce: `${this.serverName} ${++this.nonces}` });
    if (path.endsWith('/v3/login')) return this.login(JSON.parse(request.body) as Record<string, string>);
    if (!request.token || !this.tokens.has(request.token)) return failure(401, 'M_UNKNOWN_TOKEN');
    const send = /\/send\/[^/]+\/([^/]+)$/.exec(path);
    if (send && method === 'PUT') return ok({ event_id: this.send(request).event_id });
    if (path.endsWith('/sync/resume')) return this.resume(request);
    if (path.endsWith('/sync')) return this.sync(query);
    if (path.endsWith('/filter')) return ok({ filter_id: String(this.filters.push(request.body) - 1) });
    if (/\/filter\/\d+$/.test(path)) return { status: 200, body: JSON.parse(this.filters[Number(path.split('/').at(-1))] ?? 'null') };
    if (path.includes('/context/')) return this.context(decodeURIComponent(path.split('/').at(-1) ?? ''));
    if (path.endsWith('/messages')) return this.messages(query);
    return ok({});
  }

  private login(body: Record<string, string>): { status: number; body: unknown } {
    const userId = (body['identifier'] as unknown as { user: string }).user;
    const proof = loginProofText(body['nonce'] ?? '', userId, this.serverName);
    if (body['nonce'] !== `${this.serverName} ${this.nonces}`) return failure(403, 'M_FORBIDDEN');
    if (!verifyText(this.publicKey, proof, body['signature'] ?? '')) return failure(403, 'M_FORBIDDEN');
    const token = `token of ${this.serverName} ${this.nonces}`;
    this.tokens.add(token);
    return ok({ access_token: token, user_id: userId, device_id: body['device_id'] });
  }

  private send({ query, body }: SeenRequest): RoomMessage {
    const event = this.room.add('@alice:example', JSON.parse(body) as RoomMessage['content'], query.get('io.partyline.txn') ?? undefined);
    this.wake();
    return event;
  }

  private get held(): RoomMessage[] {
    return this.room.events.slice(0, this.replicated);
  }

  private resume({ body }: SeenRequest): { status: number; body: unknown } {
    if (!this.supportsResume) return failure(404, 'M_UNRECOGNIZED');
    const { rooms, to_device: received } = JSON.parse(body) as { rooms: Record<string, string[]>; to_device: string[] };
    this.consume(received);
    const frontier = rooms[this.room.roomId];
    return ok({ since: `${this.serverName}:${frontier ? this.room.seenBy(frontier) : 'new'}` });
  }

  /** Tokens are the home's name and the number of events that the client has. */
  private async sync(query: URLSearchParams): Promise<{ status: number; body: unknown }> {
    const [serverName, place, got] = (query.get('since') ?? `${this.serverName}:new`).split(':');
    if (serverName !== this.serverName) return failure(400, 'M_INVALID_PARAM');
    if (got) this.consume(got.split(','));
    const seen = place === 'new' ? 0 : Number(place);
    const nothing = (): boolean => place !== 'new' && this.held.length <= seen && this.toDevice.length === 0;
    if (nothing() && query.get('timeout') !== '0') await new Promise<void>((resolve) => this.polls.push(resolve));
    const events = this.held.slice(seen);
    const last = events.at(-1);
    return ok({
      next_batch: [this.serverName, Math.max(seen, this.held.length), ...(this.toDevice.length > 0 ? [this.toDevice.map((message) => message['io.partyline.id'])] : [])].join(':'),
      rooms: events.length === 0 ? {} : {
        join: { [this.room.roomId]: { timeline: { events, limited: place === 'new', prev_batch: `${this.serverName}:${seen}` } } },
      },
      to_device: { events: [...this.toDevice] },
      ...(query.get('io.partyline.frontier') && last ? { 'io.partyline.frontier': { [this.room.roomId]: [last.event_id] } } : {}),
      'io.partyline.account': { ...this.vector, [this.serverName]: 1 + this.consumed.size },
    });
  }

  private consume(ids: readonly unknown[]): void {
    for (const id of ids) if (typeof id === 'string' && id !== '') this.consumed.add(id);
    this.toDevice = this.toDevice.filter((message) => !this.consumed.has(String(message['io.partyline.id'])));
  }

  /** A message from somebody; the same at all homes that are told of it. */
  message(id: string, content: object): void {
    if (!this.consumed.has(id)) this.toDevice.push({ 'io.partyline.id': id, type: 'm.room.encrypted', sender: '@bob:b', content });
  }

  private context(eventId: string): { status: number; body: unknown } {
    const index = this.room.seenBy([eventId]);
    if (index === 0) return failure(404, 'M_NOT_FOUND');
    return ok({ start: `${this.serverName}:${index - 1}`, end: `${this.serverName}:${index}`, event: this.room.events[index - 1] });
  }

  private messages(query: URLSearchParams): { status: number; body: unknown } {
    const [serverName, place] = (query.get('from') ?? `${this.serverName}:${this.held.length}`).split(':');
    if (serverName !== this.serverName) return failure(400, 'M_INVALID_PARAM');
    const from = Math.max(0, Number(place) - Number(query.get('limit') ?? 2));
    const chunk = this.held.slice(from, Number(place)).reverse();
    return ok({ chunk, start: `${this.serverName}:${place}`, ...(from > 0 ? { end: `${this.serverName}:${from}` } : {}) });
  }
}

function ok(body: object): { status: number; body: unknown } {
  return { status: 200, body };
}

function failure(status: number, errcode: string): { status: number; body: unknown } {
  return { status, body: { errcode, error: errcode } };
}
