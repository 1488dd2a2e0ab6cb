import { fromBase64, toBase64Url, txnId } from '#e2e';
import type { Phonebook } from '../phonebook/phonebook.js';
import type { Answer } from '../homes/answer.js';
import type { HomeClient } from '../homes/home-client.js';
import { HomeRefused, HomeSilent } from '../homes/home-failure.js';
import type { AppToken } from '../resume/app-token.js';
import type { AppRequest } from './app-request.js';
import { pathWithQuery } from './app-request.js';
import type { FilterIds } from './filter-ids.js';
import type { OneTimeKeys } from './one-time-keys.js';
import { homeOfTokens, isPaged, queryForHome, wrapPageTokens } from './page-tokens.js';
import { endpointOf } from './request-kind.js';
import type { RequestKind } from './request-kind.js';

const helperTimeoutMs = 4_000;

export interface AccountRequestsParts {
  client: HomeClient;
  phonebook: Phonebook;
  userId: string;
  filters: FilterIds;
  oneTimeKeys: OneTimeKeys;
  random(bytes: number): Uint8Array;
}

/** One attempt at one home. */
export type Attempt = (serverName: string) => Promise<Answer>;

/** All requests but sync: what each needs so that any home can take it. */
export class AccountRequests {
  constructor(private readonly parts: AccountRequestsParts) {}

  /** The home whose tokens the request carries; it alone knows exactly what they mean. */
  preferredHome(request: AppRequest): string | undefined {
    return isPaged(endpointOf(request.path)) ? homeOfTokens(request.query) : undefined;
  }

  /** The attempts of one app request; all of them carry the same `txn`. */
  attempts(request: AppRequest, kind: RequestKind): Attempt {
    const endpoint = endpointOf(request.path);
    if (isPaged(endpoint)) return (serverName) => this.page(serverName, request, kind, endpoint);
    if (/^user\/[^/]+\/filter$/.test(endpoint) && request.method === 'POST') return (serverName) => this.addFilter(serverName, request, kind);
    if (/^user\/[^/]+\/filter\/[^/]+$/.test(endpoint)) return (serverName) => this.readFilter(serverName, request, kind);
    if (endpoint === 'keys/upload') return (serverName) => this.uploadKeys(serverName, request, kind);
    const query = this.withTxn(request, kind);
    return (serverName) => this.send(serverName, request, kind, { query });
  }

  /** The id at a home of a filter that the app names by id. */
  filterAt(serverName: string, filter: string): Promise<string> {
    return this.parts.filters.idAt(serverName, filter, async (home, json) => {
      const path = `/_matrix/client/v3/user/${encodeURIComponent(this.parts.userId)}/filter`;
      const answer = await this.ask(home, 'POST', path, json);
      const { filter_id: id } = answer.ok ? answer.object() : {};
      if (typeof id !== 'string') throw new HomeRefused(home, answer, 'prepare');
      return id;
    });
  }

  private withTxn(request: AppRequest, kind: RequestKind): URLSearchParams {
    if (kind.transactionId === undefined) return request.query;
    const secret = fromBase64(this.parts.phonebook.account(this.parts.userId).deviceSecret);
    const id = kind.transactionId ?? toBase64Url(this.parts.random(16));
    const query = new URLSearchParams(request.query);
    query.set('io.partyline.txn', txnId(secret, request.method, request.path, id));
    return query;
  }

  private async page(serverName: string, request: AppRequest, kind: RequestKind, endpoint: string): Promise<Answer> {
    const query = await queryForHome(serverName, request.query, (token, direction) => (
      this.translate(serverName, request.path, token, direction)
    ));
    const answer = await this.send(serverName, request, kind, { query });
    return answer.ok ? answer.withJson(wrapPageTokens(serverName, endpoint, answer.object())) : answer;
  }

  /** A page token of another home stands beside an event; the home has a token of its own for that place. */
  private async translate(serverName: string, path: string, token: AppToken, direction: 'b' | 'f'): Promise<string | undefined> {
    const room = /\/rooms\/([^/]+)\//.exec(path)?.[1];
    if (!room) return undefined;
    const answer = await this.ask(serverName, 'GET', `/_matrix/client/v3/rooms/${room}/context/${encodeURIComponent(token.anchor)}?limit=0`);
    const place = answer.ok ? answer.object()[direction === 'b' ? 'start' : 'end'] : undefined;
    return typeof place === 'string' ? place : undefined;
  }

  private async addFilter(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    const answer = await this.send(serverName, request, kind, {});
    const { filter_id: id } = answer.ok ? answer.object() : {};
    if (typeof request.body !== 'string' || typeof id !== 'string') return answer;
    return answer.withJson({ filter_id: await this.parts.filters.add(request.body, serverName, id) });
  }

  private async readFilter(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    const [, start, id] = /^(.*\/)([^/]+)$/.exec(request.path) ?? [];
    const path = start + encodeURIComponent(await this.filterAt(serverName, decodeURIComponent(id ?? '')));
    return this.send(serverName, request, kind, { path });
  }

  private async uploadKeys(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    if (typeof request.body !== 'string') return this.send(serverName, request, kind, {});
    const { oneTimeKeys } = this.parts;
    const answer = await this.send(serverName, request, kind, { body: await oneTimeKeys.bodyFor(serverName, request.body) });
    // After a server error they may be stored all the same.
    if (answer.status < 500) await oneTimeKeys.answered(serverName, request.body);
    return answer;
  }

  private send(
    serverName: string,
    request: AppRequest,
    kind: RequestKind,
    change: { path?: string; query?: URLSearchParams; body?: BodyInit },
  ): Promise<Answer> {
    const home = request.authenticated ? this.parts.client : this.parts.client.transport;
    return home.send(serverName, {
      method: request.method,
      path: pathWithQuery(change.path ?? request.path, change.query ?? request.query),
      headers: request.headers,
      body: change.body ?? request.body,
      signal: request.signal,
      timeoutMs: kind.timeoutMs,
      stream: kind.stream,
      countErrors: kind.countErrors,
    });
  }

  /** A request of our own on the way to the app's, which has then not been sent if this one gets no answer. */
  private async ask(serverName: string, method: string, path: string, json?: string): Promise<Answer> {
    try {
      const headers = new Headers(json === undefined ? {} : { 'content-type': 'application/json' });
      return await this.parts.client.send(serverName, { method, path, headers, body: json, timeoutMs: helperTimeoutMs });
    } catch (error) {
      throw error instanceof HomeSilent ? new HomeSilent(serverName, true, error) : error;
    }
  }
}
