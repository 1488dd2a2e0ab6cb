import type { Answer } from '../homes/answer.js';
import type { HomeClient } from '../homes/home-client.js';
import { HomeRefused, HomeSilent } from '../homes/home-failure.js';
import { readAppToken } from './app-token.js';
import type { ResumeState } from './resume-state.js';

const resumePath = '/_matrix/client/unstable/io.partyline/sync/resume';
const resumeTimeoutMs = 10_000;

/** Where a sync at a home starts. */
export interface Start { since?: string; after: number; initial: boolean }

/** Finds where a home goes on for a token of the app: at a home that did not give it the client's place is resumed. */
export class ResumeStarts {
  /** The last place that was resumed, so that a repeated poll need not ask again. */
  private resumed?: { serverName: string; appToken: string; since: string };

  constructor(private readonly client: HomeClient, private readonly state: ResumeState) {}

  /** @param since the app's token; null or empty for a sync from nothing */
  async find(serverName: string, since: string | null): Promise<Start> {
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
    const answer = await this.ask(serverName, JSON.stringify(this.state.placeAt(after, serverName)));
    if (answer.status >= 500 || answer.status === 429 || answer.status === 401 || answer.status === 403) {
      throw new HomeRefused(serverName, answer, 'prepare');
    }
    const { since } = answer.ok ? answer.object() : {};
    return typeof since === 'string' ? since : undefined;
  }

  private async ask(serverName: string, body: string): Promise<Answer> {
    try {
      return await this.client.send(serverName, {
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
