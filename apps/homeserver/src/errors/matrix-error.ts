/**
 * An error that a client or a server may see: Matrix's `errcode`, an HTTP status and a sentence that says what to do.
 * Everything else that is thrown becomes 500 `M_UNKNOWN` without its message.
 */
export class MatrixError extends Error {
  constructor(
    readonly status: number,
    readonly errcode: string,
    message: string,
    /** Further members of the body, e.g. `retry_after_ms`, `room_version`. */
    readonly fields: Record<string, unknown> = {},
  ) {
    super(message);
    this.name = 'MatrixError';
  }

  toBody(): Record<string, unknown> {
    return { errcode: this.errcode, error: this.message, ...this.fields };
  }

  static forbidden(message: string): MatrixError {
    return new MatrixError(403, 'M_FORBIDDEN', message);
  }

  static notFound(message: string): MatrixError {
    return new MatrixError(404, 'M_NOT_FOUND', message);
  }

  static unrecognized(message = 'Unrecognized request'): MatrixError {
    return new MatrixError(404, 'M_UNRECOGNIZED', message);
  }

  static badJson(message: string): MatrixError {
    return new MatrixError(400, 'M_BAD_JSON', message);
  }

  static invalidParam(message: string): MatrixError {
    return new MatrixError(400, 'M_INVALID_PARAM', message);
  }

  static missingParam(message: string): MatrixError {
    return new MatrixError(400, 'M_MISSING_PARAM', message);
  }

  static unknown(status: number, message: string): MatrixError {
    return new MatrixError(status, 'M_UNKNOWN', message);
  }

  /** 503: nothing is wrong with the request, and it may be made again. With the header Retry-After. */
  static unavailable(message: string, retryAfterMs: number): MatrixError {
    return new MatrixError(503, 'M_UNKNOWN', message, { retry_after_ms: retryAfterMs });
  }

  static tooLarge(message: string): MatrixError {
    return new MatrixError(413, 'M_TOO_LARGE', message);
  }
}
