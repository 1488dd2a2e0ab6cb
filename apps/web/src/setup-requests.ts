import { parseJson } from '#json';

/** What can go wrong while an account is made; the names of its messages in `texts/<language>.json`. */
export type SetupProblem =
  | 'nameInvalid'
  | 'nameTaken'
  | 'nameReserved'
  | 'passwordRefused'
  | 'linkSpent'
  | 'tooMany'
  | 'unreachable'
  | 'failed';

/** A request of the set-up page that the server refused or did not answer. */
export class SetupError extends Error {
  constructor(
    readonly problem: SetupProblem,
    /** Milliseconds to wait, with `tooMany`. */
    readonly retryAfterMs = 0,
    /** The server's own sentence, with `failed`. */
    readonly reason = '',
  ) {
    super(`${problem} ${reason}`.trim());
    this.name = 'SetupError';
  }
}

/** Makes the first account and what it needs next, over the Client-Server API. It holds nothing: answers go to the caller. */
export class SetupRequests {
  /**
   * @param base address of the server without a slash at the end; empty for that of the page
   * @param send the browser's `fetch`
   */
  constructor(
    private readonly base: string,
    private readonly send: (url: string, init: RequestInit) => Promise<Response>,
  ) {}

  /** False for a token that certainly does not work. An unclear answer counts as true: registering will tell. */
  async isTokenValid(token: string): Promise<boolean> {
    const path = `/_matrix/client/v1/register/m.login.registration_token/validity?token=${encodeURIComponent(token)}`;
    try {
      return (await this.#call('GET', path)).valid !== false;
    } catch (error) {
      return !(error instanceof SetupError && error.problem === 'linkSpent');
    }
  }

  /**
   * Registers with the token. The stage is sent with the first request: a refused password costs no second one.
   *
   * @param session the name of the device that is logged in; null for none
   * @returns the access token is null without a session
   * @throws SetupError
   */
  async register(
    account: { readonly token: string; readonly name: string; readonly password: string },
    session: string | null,
  ): Promise<{ userId: string; accessToken: string | null }> {
    const answer = await this.#call('POST', '/_matrix/client/v3/register', {
      username: account.name,
      password: account.password,
      auth: { type: 'm.login.registration_token', token: account.token },
      ...(session === null ? { inhibit_login: true } : { initial_device_display_name: session }),
    });
    return { userId: String(answer.user_id), accessToken: typeof answer.access_token === 'string' ? answer.access_token : null };
  }

  /** A code with which one person can register. @throws SetupError */
  async makeInvitationCode(accessToken: string): Promise<string> {
    const path = '/_synapse/admin/v1/registration_tokens/new';
    return String((await this.#call('POST', path, { uses_allowed: 1 }, accessToken)).token);
  }

  /** Ends the session; also when the page is being closed. */
  async logOut(accessToken: string): Promise<void> {
    await this.#call('POST', '/_matrix/client/v3/logout', {}, accessToken).catch(() => undefined);
  }

  async #call(method: string, path: string, body?: object, accessToken?: string): Promise<Record<string, unknown>> {
    let answer: Response;
    try {
      answer = await this.send(`${this.base}${path}`, {
        method,
        keepalive: true,
        headers: {
          ...(body ? { 'content-type': 'application/json' } : {}),
          ...(accessToken === undefined ? {} : { authorization: `Bearer ${accessToken}` }),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    } catch {
      throw new SetupError('unreachable');
    }
    // A proxy in front of a server that is down answers with something else than JSON.
    const content = (jsonOf(await answer.text().catch(() => '')) ?? {}) as Record<string, unknown>;
    if (!answer.ok) throw refusal(answer.status, content);
    return content;
  }
}

const problems: Readonly<Record<string, SetupProblem>> = {
  M_INVALID_USERNAME: 'nameInvalid',
  M_USER_IN_USE: 'nameTaken',
  M_EXCLUSIVE: 'nameReserved',
  M_WEAK_PASSWORD: 'passwordRefused',
  M_INVALID_PARAM: 'passwordRefused',
  // The token is wrong or used up, or registration is closed now that there is an account.
  M_FORBIDDEN: 'linkSpent',
  M_LIMIT_EXCEEDED: 'tooMany',
};

function jsonOf(text: string): unknown {
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

function refusal(status: number, { errcode, error, retry_after_ms: wait }: Record<string, unknown>): SetupError {
  if (typeof errcode !== 'string') return new SetupError(status >= 502 && status <= 504 ? 'unreachable' : 'failed', 0, `HTTP ${status}`);
  return new SetupError(problems[errcode] ?? 'failed', typeof wait === 'number' ? wait : 0, typeof error === 'string' ? error : errcode);
}
