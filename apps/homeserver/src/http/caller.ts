import type { ServerResponse } from 'node:http';

/** Whoever waits for an answer. */
export class Caller {
  #gone: AbortController | undefined;

  constructor(
    private readonly response: ServerResponse,
    private readonly stopping: AbortSignal,
  ) {}

  /**
   * Fires when the caller goes away before the answer was sent, or when the server stops (an answer still arrives then). Most requests
   * are answered at once, so it is made where it is asked for.
   */
  get signal(): AbortSignal {
    return (this.#gone ??= this.#watch()).signal;
  }

  #watch(): AbortController {
    const { response, stopping } = this;
    const gone = new AbortController();
    if (response.destroyed || stopping.aborted) gone.abort();
    const abort = (): void => gone.abort();
    stopping.addEventListener('abort', abort, { once: true });
    response.once('close', () => {
      stopping.removeEventListener('abort', abort);
      if (!response.writableFinished) gone.abort();
    });
    return gone;
  }
}
