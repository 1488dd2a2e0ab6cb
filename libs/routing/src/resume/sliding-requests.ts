import { parseJson, parseStoredJson } from '#json';
import type { AppRequest } from '../fetch/app-request.js';
import { pathWithQuery } from '../fetch/app-request.js';
import type { RequestKind } from '../fetch/request-kind.js';
import { Answer } from '../homes/answer.js';
import type { HomeClient } from '../homes/home-client.js';
import { HomeSilent } from '../homes/home-failure.js';
import type { RoutingStorage } from '../storage.js';
import { readAppToken } from './app-token.js';
import { ResumeStarts } from './resume-starts.js';
import { ResumeState } from './resume-state.js';
import { slidingResponse } from './sliding-response.js';
import { isObject, type Json } from './sync-response.js';

/** Connections of the app whose places are kept; the one that was begun first goes. */
const maxConnections = 10;

export interface SlidingRequestsParts {
  client: HomeClient;
  userId: string;
  storage: RoutingStorage;
  storageKey: string;
}

interface Connection { state: ResumeState; starts: ResumeStarts }

/**
 * Sliding sync at any home. Each connection of the app is a stream of its own: at a new home it first asks to resume at the client's
 * place (protocol §5 rule 5). Where a home cannot, the app is told to begin anew.
 */
export class SlidingRequests {
  private readonly connections = new Map<string, Connection>();
  private listed?: Promise<string[]>;

  constructor(private readonly parts: SlidingRequestsParts) {}

  /** What the app has, by connection. */
  get states(): ResumeState[] {
    return [...this.connections.values()].map(({ state }) => state);
  }

  /** One attempt of the app's request at a home. The answer, when it is good, is the app's. */
  async attempt(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    const body = objectOf(request.body);
    const { state, starts } = await this.connection(typeof body['conn_id'] === 'string' ? body['conn_id'] : '');
    const pos = request.query.get('pos') ?? (typeof body['pos'] === 'string' ? body['pos'] : null);
    const start = await starts.find(serverName, pos);
    if (pos && start.initial) return unknownPos();
    const query = new URLSearchParams(request.query);
    query.set('io.partyline.frontier', 'true');
    const { pos: _pos, ...rest } = body;
    const sent: Json = { ...rest, ...(isObject(body['extensions']) && { extensions: extensionsFor(serverName, body['extensions']) }) };
    if (start.since !== undefined && query.has('pos')) query.set('pos', start.since);
    else if (start.since !== undefined) sent['pos'] = start.since;
    const answer = await this.parts.client.send(serverName, {
      method: 'POST',
      path: pathWithQuery(request.path, query),
      headers: request.headers,
      body: JSON.stringify(sent),
      signal: request.signal,
      timeoutMs: kind.timeoutMs,
      movable: true,
    });
    if (!answer.ok) return answer;
    // A captive portal answers 200 as well.
    if (typeof answer.object()['pos'] !== 'string') throw new HomeSilent(serverName, false, new Error('not a sync answer'));
    const context = { serverName, ...start, userId: this.parts.userId };
    return answer.withJson(await slidingResponse(answer.object(), context, state));
  }

  /** Forgets everything, for instance at logout. */
  async clear(): Promise<void> {
    for (const connId of await this.list()) await (await this.connection(connId)).state.clear();
    this.connections.clear();
    this.listed = Promise.resolve([]);
    await this.parts.storage.set(this.parts.storageKey, null);
  }

  private async connection(connId: string): Promise<Connection> {
    const held = this.connections.get(connId);
    const connection = held ?? this.open(connId);
    if (!held) await this.note(connId);
    await connection.state.load();
    return connection;
  }

  private open(connId: string): Connection {
    const state = new ResumeState(this.parts.storage, this.stateKey(connId));
    const connection = { state, starts: new ResumeStarts(this.parts.client, state) };
    this.connections.set(connId, connection);
    return connection;
  }

  /** Notes that there is something of the connection in storage, so that it can be cleared. */
  private async note(connId: string): Promise<void> {
    const ids = await this.list();
    if (ids.includes(connId)) return;
    ids.push(connId);
    const gone = ids.length > maxConnections ? ids.shift() : undefined;
    await this.parts.storage.set(this.parts.storageKey, JSON.stringify(ids));
    if (gone === undefined) return;
    const connection = this.connections.get(gone) ?? this.open(gone);
    this.connections.delete(gone);
    await connection.state.clear();
  }

  private list(): Promise<string[]> {
    return this.listed ??= this.parts.storage.get(this.parts.storageKey).then((text) => {
      const ids: unknown = text === null ? [] : parseStoredJson(text);
      return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
    });
  }

  private stateKey(connId: string): string {
    return `${this.parts.storageKey}/${encodeURIComponent(connId)}`;
  }
}

/** What the app says that it has of the messages to the device, if this home gave it; another home knows it from the place. */
function extensionsFor(serverName: string, extensions: Json): Json {
  const toDevice = extensions['to_device'];
  const since = isObject(toDevice) && typeof toDevice['since'] === 'string' ? readAppToken(toDevice['since']) : undefined;
  if (!since) return extensions;
  const { since: _since, ...rest } = toDevice as Json;
  return { ...extensions, to_device: since.serverName === serverName ? { ...rest, since: since.token } : rest };
}

function objectOf(body: BodyInit | null): Json {
  const text = body instanceof ArrayBuffer ? new TextDecoder().decode(body) : body;
  const value: unknown = typeof text === 'string' ? parseJson(text) : undefined;
  return isObject(value) ? value : {};
}

function unknownPos(): Answer {
  const body = { errcode: 'M_UNKNOWN_POS', error: 'This home cannot go on from there' };
  return new Answer(400, new Headers({ 'content-type': 'application/json' }), new TextEncoder().encode(JSON.stringify(body)));
}
