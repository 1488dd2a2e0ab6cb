import type { Log } from '../observability/log.js';

/** What keeps the database from serving, the gravest first. */
const kinds = ['stopped', 'full'] as const;
type Kind = (typeof kinds)[number];

const ANYTHING = 'The database does not answer at this moment. What was asked is not done; try again soon.';

/**
 * What is known to be wrong with the database: told by whoever watches it, shown in the log once, at `/health` and in the answers to
 * requests that fail for it.
 */
export class DatabaseHealth {
  readonly #problems = new Map<Kind, string>();
  readonly #logged = new Map<Kind, string>();

  constructor(private readonly log: Log) {}

  /** Sentences for everybody; null while all is well. */
  get problem(): string | null {
    return kinds.flatMap((kind) => this.#problems.get(kind) ?? []).join(' ') || null;
  }

  /** For a request that failed for the database, also before anybody has noticed why. */
  get sentence(): string {
    return this.problem ?? ANYTHING;
  }

  /** True while nothing may be stored, so that PostgreSQL keeps room to work. */
  get isFull(): boolean {
    return this.#problems.has('full');
  }

  /**
   * @param sentence for everybody
   * @param detail for the operator. Logged once, and again when the sentence or its `reason` has changed.
   */
  report(kind: Kind, sentence: string, detail: Record<string, unknown> = {}): void {
    this.#problems.set(kind, sentence);
    const text = `${sentence}\n${String(detail['reason'])}`;
    if (this.#logged.get(kind) === text) return;
    this.#logged.set(kind, text);
    this.log.error(sentence, undefined, { database: kind, ...detail });
  }

  /** It is over. */
  clear(kind: Kind): void {
    this.#logged.delete(kind);
    if (this.#problems.delete(kind)) this.log.info('the database serves again', { database: kind, ...(this.problem === null ? {} : { still: this.problem }) });
  }
}
