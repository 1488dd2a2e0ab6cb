import type { AppRequest } from '../fetch/app-request.js';
import { pathWithQuery } from '../fetch/app-request.js';
import type { RequestKind } from '../fetch/request-kind.js';
import type { Answer } from '../homes/answer.js';
import type { HomeClient } from '../homes/home-client.js';
import { HomeSilent } from '../homes/home-failure.js';
import { ResumeStarts } from './resume-starts.js';
import type { ResumeState } from './resume-state.js';
import { syncResponse } from './sync-response.js';

export interface SyncRequestsParts {
  client: HomeClient;
  state: ResumeState;
  /** The id at a home of a filter that the app names by its id. */
  filterAt(serverName: string, filter: string): Promise<string>;
}

/** `/sync` at any home, as one stream: at a new home it first asks to resume at the client's place (protocol §5 rule 5). */
export class SyncRequests {
  private readonly starts: ResumeStarts;

  constructor(private readonly parts: SyncRequestsParts) {
    this.starts = new ResumeStarts(parts.client, parts.state);
  }

  /** One attempt of the app's request at a home. The answer, when it is good, is the app's. */
  async attempt(serverName: string, request: AppRequest, kind: RequestKind): Promise<Answer> {
    await this.parts.state.load();
    const start = await this.starts.find(serverName, request.query.get('since'));
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
}
