import type { AppRequest } from '../fetch/app-request.js';
import { pathWithQuery } from '../fetch/app-request.js';
import type { RequestKind } from '../fetch/request-kind.js';
import type { Answer } from '../homes/answer.js';
import type { HomeClient } from '../homes/home-client.js';
import { HomeRefused, HomeSilent } from '../homes/home-failure.js';
import { readAppToken } from './app-token.js';
import type { ResumeState } from './resume-state.js';
import { syncResponse } from './sync-response.js';

const resumePath = '/_matrix/client/unstable/io.partyline/sync/resume';
const resumeTimeoutMs = 10_000;

export interface SyncRequestsParts {
  client: HomeClient;
  state: ResumeState;
  /** The id at a home of a filter that the app names by its id. */
  filterAt(serverName: string, filter: string): Promise<string>;
}

/** Where a sync at a home starts. */
interface Start { since?: string; after: number; initial: boolean }

/** `/sync` at any home, as one stream: at a new home it first asks to resume at the client's place (protocol §5 rule 5). */
export class SyncRequests {
  /** The last place that was resumed, so that a repeated poll need not ask again. */
  private resumed?: { serverName: string; appToken: string; since: string };

  constructor(private readonly parts: SyncRequestsParts) {}

  /** One attempt of the app's request at a home. The answer, when it is good, is the app's. */
  async attempt(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    await this.parts.state.load();
    const start = await this.start(serverName, request.query.get('since'));
    const query = new URLSearchParams(request.query);
    query.delete('since');
    if (start.since !== undefined) query.set('since', start.since);
    query.set('io.partyline.frontier', 'true');
    const filter = query.get('filter');
    if (filter !== null) query.set('filter', await this.parts.filterAt(serverName, filter));
    const answer = await this.parts.client.send(serverName, {
      method: 'GET',
      path: pathWithQuery(request.path, query),
      headers: request.headers,
      signal: request.signal,
      timeoutMs: kind.timeoutMs,
      movable: true,
    });
    if (!answer.ok) return answer;
    // A captive portal answers 200 as well.
    if (typeof answer.object()['next_batch'] !== 'string') throw new HomeSilent(serverName, false, new Error('not a sync answer'));
    return answer.withJson(await syncResponse(answer.object(), { serverName, ...start }, this.parts.state));
  }

  private async start(serverName: string, since: string | null): Promise<Start> {
    if (!since) return { after: 0, initial: true };
    const token = readAppToken(since);
    // Not ours: from before this client knew several homes. It can only belong to the home that it always had.
    if (!token) return { since, after: 0, initial: false };
    const after = Number(token.anchor) || 0;
    if (token.serverName === serverName) return { since: token.token, after, initial: false };
    if (this.resumed?.serverName === serverName && this.resumed.appToken === since) {
      return { since: this.resumed.since, after, initial: false };
    }
    const resumed = await this.resume(serverName, after);
    if (resumed === undefined) return { after, initial: true };
    this.resumed = { serverName, appToken: since, since: resumed };
    return { since: resumed, after, initial: false };
  }

  /** The home's own token for the client's place; undefined if it cannot resume, so that the sync starts anew. */
  private async resume(serverName: string, after: number): Promise<string | undefined> {
    const answer = await this.ask(serverName, JSON.stringify(this.parts.state.placeAt(after, serverName)));
    if (answer.status >= 500 || answer.status === 429 || answer.status === 401 || answer.status === 403) {
      throw new HomeRefused(serverName, answer, 'prepare');
    }
    const { since } = answer.ok ? answer.object() : {};
    return typeof since === 'string' ? since : undefined;
  }

  private async ask(serverName: string, body: string): Promise<Answer> {
    try {
      return await this.parts.client.send(serverName, {
        method: 'POST',
        path: resumePath,
        headers: new Headers({ 'content-type': 'application/json' }),
        body,
        timeoutMs: resumeTimeoutMs,
      });
    } catch (error) {
      throw error instanceof HomeSilent ? new HomeSilent(serverName, true, error) : error;
    }
  }
}
