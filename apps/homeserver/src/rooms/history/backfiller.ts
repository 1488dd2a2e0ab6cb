import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import type { Room } from '../room.js';
import { HistoryFetcher } from './history-fetcher.js';
import { HistoryWriter } from './history-writer.js';
import { type Gap, HistoryStore } from './history.store.js';
import { serversByAge } from './servers-by-age.js';

/** Servers that are asked before a gap is left as it is. */
const MAX_SERVERS = 3;
/** How long a gap that nobody could fill is left alone. */
const RETRY_MS = 60_000;
const MAX_FAILURES = 10_000;

export interface BackfillResult {
  /** True when the gap is smaller than before, or closed. */
  readonly isFilled: boolean;
  /** Events that a redaction was applied to which was among what was found. */
  readonly redacted: readonly string[];
}

const NOTHING: BackfillResult = { isFilled: false, redacted: [] };

/** Fills gaps in the timelines of rooms from other servers. */
@Injectable()
export class Backfiller {
  /** What is under way, by room: one gap after the other. */
  readonly #lanes = new Map<string, { childPos: number; result: Promise<BackfillResult> }>();
  /** When a gap may be tried again. */
  readonly #failures = new LRUCache<string, number>({ max: MAX_FAILURES });

  constructor(
    private readonly fetcher: HistoryFetcher,
    private readonly writer: HistoryWriter,
    private readonly history: HistoryStore,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** Fetches up to 100 events that belong below the gap. Never rejects; who waits should not do so without end. */
  fill(room: Room, gap: Gap): Promise<BackfillResult> {
    const running = this.#lanes.get(room.id);
    if (running?.childPos === gap.childPos) return running.result;
    if (!room.state.isResident || (this.#failures.get(keyOf(room, gap)) ?? 0) > this.clock.steady()) return Promise.resolve(NOTHING);
    const result = (running?.result ?? Promise.resolve()).then(() => this.#fill(room, gap)).catch((error: unknown) => {
      this.log.error('filling a gap failed', error, { roomId: room.id });
      return NOTHING;
    });
    const lane = { childPos: gap.childPos, result };
    this.#lanes.set(room.id, lane);
    void result.then(({ isFilled }) => {
      if (!isFilled) this.#failures.set(keyOf(room, gap), this.clock.steady() + RETRY_MS);
      if (this.#lanes.get(room.id) === lane) this.#lanes.delete(room.id);
    });
    return result;
  }

  async #fill(room: Room, { childPos }: Gap): Promise<BackfillResult> {
    // Another fill, or an event that arrived, may have closed it.
    const gap = (await this.history.ofRoom(room.nid)).find((one) => one.childPos === childPos);
    if (!gap) return { isFilled: true, redacted: [] };
    for (const server of serversByAge(room).slice(0, MAX_SERVERS)) {
      try {
        const fetched = await this.fetcher.fetch(room, gap, server);
        if (!fetched) continue;
        const { stored, redacted } = await this.writer.store(room, gap, fetched);
        if (stored > 0) return { isFilled: true, redacted };
      } catch (error) {
        if (!(error instanceof MatrixError)) throw error;
        this.log.debug('a server gave no history', { roomId: room.id, server, reason: error.message });
      }
    }
    return NOTHING;
  }
}

function keyOf(room: Room, gap: Gap): string {
  return `${room.nid} ${gap.childPos}`;
}
