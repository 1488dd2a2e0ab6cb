/** Somebody's presence changed, or became visible in a room that he joined. */
interface LogEntry {
  readonly pos: number;
  readonly userId: string;
  /** The room; undefined for a change that all see who share one. */
  readonly roomId: string | undefined;
}

/** Entries that are kept; who has read less looks at all people whom he can see. */
const MAX_ENTRIES = 20_000;

/** The latest changes of all people, in the order of their positions. */
export class PresenceLog {
  #entries: LogEntry[] = [];
  #start: number;

  /** @param start the position of the stream at which the log begins */
  constructor(start: number) {
    this.#start = start;
  }

  add(pos: number, userId: string, roomId?: string): void {
    this.#entries.push({ pos, userId, roomId });
    if (this.#entries.length < 2 * MAX_ENTRIES) return;
    this.#start = this.#entries[MAX_ENTRIES - 1]!.pos;
    this.#entries = this.#entries.slice(MAX_ENTRIES);
  }

  /** What was added after a position, the latest first; undefined when that is no longer known. */
  since(pos: number): LogEntry[] | undefined {
    if (pos < this.#start) return undefined;
    const first = this.#entries.findLastIndex((entry) => entry.pos <= pos) + 1;
    return this.#entries.slice(first).reverse();
  }
}
