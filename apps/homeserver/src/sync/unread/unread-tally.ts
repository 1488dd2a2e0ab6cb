/** Unread events of a room that call for attention. */
export interface UnreadCounts {
  readonly notifications: number;
  readonly highlights: number;
  /** By thread root, where it was asked for; the room's own counts are then of the main timeline only. */
  readonly threads: ReadonlyMap<string, { readonly notifications: number; readonly highlights: number }>;
}

const MAIN = 'main';

interface Count {
  notifications: number;
  highlights: number;
}

/** Unread events of one reader in one room that call for its attention, by thread. Grows as events come. */
export class UnreadTally {
  readonly #threads = new Map<string, Count>();

  /**
   * @param readUpTo thread → position of the reader's receipt; empty for an unthreaded one, which counts for all threads
   * @param joinedAt position of the reader's join; nothing before it is unread
   */
  constructor(
    private readonly readUpTo: ReadonlyMap<string, number>,
    private readonly joinedAt: number,
  ) {}

  /** Nothing up to here can be unread. */
  get start(): number {
    return Math.max(this.joinedAt, this.readUpTo.get('') ?? 0);
  }

  isUnread(thread: string, pos: number): boolean {
    return pos > this.start && pos > (this.readUpTo.get(thread) ?? 0);
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
      if (perThread && thread !== MAIN) threads.set(thread, { ...count });
      else {
        total.notifications += count.notifications;
        total.highlights += count.highlights;
      }
    }
    return { ...total, threads };
  }
}

/** The thread that an event is in (Client-Server, "Threading"): its root's event id, or `main`. */
export function threadOf(content: Readonly<Record<string, unknown>>): string {
  const relation = content['m.relates_to'];
  if (typeof relation !== 'object' || relation === null) return MAIN;
  const { rel_type: type, event_id: root } = relation as Record<string, unknown>;
  return type === 'm.thread' && typeof root === 'string' ? root : MAIN;
}
