/** Unread events of a room that call for attention. */
export interface UnreadCounts {
  readonly notifications: number;
  readonly highlights: number;
  /** By thread root, where it was asked for; the room's own counts are then of the main timeline only. */
  readonly threads: ReadonlyMap<string, { readonly notifications: number; readonly highlights: number }>;
  /** Whether events that are not here may be unread as well: then there are at least so many. */
  readonly isPartial: boolean;
}

/** What of a timeline a reader has read. */
export interface ReadUpTo {
  /** Everything up to here, … */
  readonly pos: number;
  /** … and these positions above it. */
  readonly above: ReadonlySet<number>;
}

/** Before every timeline. */
export const BEGINNING = Number.MIN_SAFE_INTEGER;
const NOTHING: ReadUpTo = { pos: BEGINNING, above: new Set() };

/** The thread of what is in none. */
export const MAIN_THREAD = 'main';

interface Count {
  notifications: number;
  highlights: number;
}

/** Unread events of one reader in one room that call for its attention, by thread. Grows as events come. */
export class UnreadTally {
  readonly #threads = new Map<string, Count>();

  /**
   * @param readUpTo thread → what is read of it; empty for what is read whatever its thread
   * @param joinedAt position of the reader's join; nothing before it is unread
   * @param isPartial whether what is not here may be unread
   */
  constructor(
    private readonly readUpTo: ReadonlyMap<string, ReadUpTo>,
    readonly joinedAt: number,
    private readonly isPartial: boolean,
  ) {}

  /** Nothing up to here can be unread. */
  get start(): number {
    return Math.max(this.joinedAt, (this.readUpTo.get('') ?? NOTHING).pos);
  }

  isUnread(thread: string, pos: number): boolean {
    if (pos <= this.start || this.readUpTo.get('')?.above.has(pos)) return false;
    const read = this.readUpTo.get(thread) ?? NOTHING;
    return pos > read.pos && !read.above.has(pos);
  }

  add(thread: string, isHighlight: boolean): void {
    const count = this.#threads.get(thread) ?? { notifications: 0, highlights: 0 };
    this.#threads.set(thread, count);
    count.notifications++;
    if (isHighlight) count.highlights++;
  }

  /** @param perThread whether threads stand beside the counts of the main timeline, instead of in them */
  counts(perThread: boolean): UnreadCounts {
    const total: Count = { notifications: 0, highlights: 0 };
    const threads = new Map<string, Count>();
    for (const [thread, count] of this.#threads) {
      if (perThread && thread !== MAIN_THREAD) threads.set(thread, { ...count });
      else {
        total.notifications += count.notifications;
        total.highlights += count.highlights;
      }
    }
    return { ...total, threads, isPartial: this.isPartial };
  }
}

/** The thread that an event is in (Client-Server, "Threading"): its root's event id, or `main`. */
export function threadOf(content: Readonly<Record<string, unknown>>): string {
  const relation = content['m.relates_to'];
  if (typeof relation !== 'object' || relation === null) return MAIN_THREAD;
  const { rel_type: type, event_id: root } = relation as Record<string, unknown>;
  return type === 'm.thread' && typeof root === 'string' ? root : MAIN_THREAD;
}
