import { MatrixError } from '../../errors/matrix-error.js';

/**
 * Another server answered with an error. Left uncaught it reaches the client: with the remote's status and errcode where they say
 * something about the request, as 502 where they say something about the two servers. A remote 401 in particular must not
 * come out as one, because clients would drop their access token.
 */
export class RemoteError extends MatrixError {
  constructor(
    readonly destination: string,
    /** What the remote answered. */
    readonly remoteStatus: number,
    readonly remoteErrcode: string,
    /** Parsed JSON body of the answer; undefined when it was none. */
    readonly body: Record<string, unknown> | undefined,
  ) {
    const isAboutRequest = remoteStatus >= 400 && remoteStatus < 500 && ![401, 407, 408, 429].includes(remoteStatus);
    const { errcode: _errcode, error, retry_after_ms: _retry, soft_logout: _logout, ...fields } = body ?? {};
    super(
      isAboutRequest ? remoteStatus : 502,
      isAboutRequest ? remoteErrcode : 'M_UNKNOWN',
      `${destination}: ${typeof error === 'string' ? error.slice(0, 1_000) : `status ${remoteStatus}`}`,
      isAboutRequest ? fields : {},
    );
    this.name = 'RemoteError';
  }

  /** How long the remote asks to wait (429); undefined when it does not. */
  get retryAfterMs(): number | undefined {
    const value = this.body?.['retry_after_ms'];
    return this.remoteStatus === 429 && typeof value === 'number' && value >= 0 ? value : undefined;
  }
}

/** Another server could not be reached, did not answer in time, or is left alone for a while because of that. */
export class UnreachableError extends MatrixError {
  constructor(
    readonly destination: string,
    reason: string,
    override readonly cause?: unknown,
  ) {
    super(502, 'M_UNKNOWN', `${destination} cannot be reached: ${reason}`);
    this.name = 'UnreachableError';
  }
}
