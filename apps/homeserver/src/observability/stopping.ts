/** Tells whoever waits (long polls, back-offs) that the server stops, so that it ends within its grace period. */
export class Stopping {
  readonly #controller = new AbortController();

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Called once, by the server, before its modules are closed. */
  begin(): void {
    this.#controller.abort(new Error('the server stops'));
  }
}
