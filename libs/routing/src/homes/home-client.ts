import type { Answer } from './answer.js';
import { HomeSilent } from './home-failure.js';
import type { HomeSessions } from './home-sessions.js';
import type { HomeRequest, HomeTransport } from './home-transport.js';

/** Sends requests to homes as the account. */
export class HomeClient {
  constructor(readonly transport: HomeTransport, readonly sessions: HomeSessions) {}

  /**
   * Sends with the home's own access token; logs in before, and once more if the token turns out to be unknown.
   * @throws HomeSilent, HomeRefused, or the app's own abort reason
   */
  async send(serverName: string, request: HomeRequest): Promise<Answer> {
    const token = await this.token(serverName);
    const answer = await this.transport.send(serverName, withToken(request, token));
    // Only this code: 401 is also how a server asks for user-interactive authentication.
    if (answer.status !== 401 || answer.errcode !== 'M_UNKNOWN_TOKEN') return answer;
    await this.sessions.forget(serverName, token);
    return this.transport.send(serverName, withToken(request, await this.token(serverName)));
  }

  /** A login that got no answer did not send the request that it was for. */
  private async token(serverName: string): Promise<string> {
    try {
      return await this.sessions.token(serverName);
    } catch (error) {
      throw error instanceof HomeSilent ? new HomeSilent(serverName, true, error) : error;
    }
  }
}

function withToken(request: HomeRequest, token: string): HomeRequest {
  const headers = new Headers(request.headers);
  headers.set('authorization', `Bearer ${token}`);
  return { ...request, headers };
}
