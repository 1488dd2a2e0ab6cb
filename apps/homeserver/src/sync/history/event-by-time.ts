import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { FederationClient, federationPath } from '../../federation/federation-client.js';
import { atMost } from '../../observability/at-most.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { Backfiller } from '../../rooms/history/backfiller.js';
import { type EventTime, EventTimesStore, type TimeDirection } from '../../rooms/history/event-times.store.js';
import { type Gap, HistoryStore } from '../../rooms/history/history.store.js';
import { serversByAge } from '../../rooms/history/servers-by-age.js';
import type { Room } from '../../rooms/room.js';
import { EventsStore } from '../../rooms/timeline/events.store.js';
import { EventViews } from './event-views.js';
import { type RoomReader, RoomReaders } from './room-readers.js';

const PAGE = 50;
/** Events that are looked at for one that the reader may see. */
const MAX_PAGES = 20;
/** Servers that are asked for a nearer event, and how long they and the history up to it are waited for. */
const MAX_SERVERS = 3;
const REMOTE_MS = 15_000;
/** Stretches of history that are fetched to reach it. */
const MAX_FILLS = 30;

/** Finds the event of a room that is nearest to a time (`GET /rooms/{roomId}/timestamp_to_event`), on other servers too where something is missing beside it here. */
@Injectable()
export class EventByTime {
  constructor(
    private readonly readers: RoomReaders,
    private readonly times: EventTimesStore,
    private readonly views: EventViews,
    private readonly history: HistoryStore,
    private readonly backfiller: Backfiller,
    private readonly events: EventsStore,
    private readonly federation: FederationClient,
    private readonly clock: Clock,
    private readonly log: Log,
  ) {}

  /** @throws MatrixError 403 M_FORBIDDEN; 404 M_NOT_FOUND where there is none */
  async find(userId: string, roomId: string, dir: TimeDirection, ts: number): Promise<{ event_id: string; origin_server_ts: number }> {
    const reader = await this.readers.of(userId, roomId);
    let found = await this.#here(reader, dir, ts);
    const gap = reader.isJoined ? await this.#gapBeside(reader.room, dir, found) : undefined;
    if (gap && (await this.#fetchNearer(reader.room, gap, dir, ts, found))) found = await this.#here(reader, dir, ts);
    if (!found) throw MatrixError.notFound(`There is no event ${dir === 'f' ? 'at or after' : 'at or before'} this time`);
    return { event_id: found.eventId, origin_server_ts: found.ts };
  }

  async #here(reader: RoomReader, dir: TimeDirection, ts: number): Promise<EventTime | undefined> {
    let last: EventTime | undefined;
    for (let page = 0; page < MAX_PAGES; page++) {
      const rows = await this.times.near(reader.room.nid, dir, ts, PAGE, last);
      const views = await this.views.of(reader, rows.filter((row) => row.pos <= reader.upTo));
      const visible = new Set(views.filter((view) => view.isVisible).map((view) => view.event.nid));
      const found = rows.find((row) => visible.has(row.nid));
      if (found || rows.length < PAGE) return found;
      last = rows.at(-1);
    }
    return undefined;
  }

  /** The gap in which there may be an event nearer than the one that was found. */
  async #gapBeside(room: Room, dir: TimeDirection, found: EventTime | undefined): Promise<Gap | undefined> {
    const gaps = await this.history.ofRoom(room.nid);
    // They come newest first.
    if (!found) return dir === 'b' ? gaps.at(-1) : undefined;
    if (dir === 'f') return gaps.find((gap) => gap.childPos === found.pos);
    const above = gaps.findLast((gap) => gap.childPos > found.pos);
    return above && (await this.history.below(room.nid, above.childPos)) === found.pos ? above : undefined;
  }

  /** Asks who has been in the room longest, and fetches what is between. @returns whether something came */
  async #fetchNearer(room: Room, gap: Gap, dir: TimeDirection, ts: number, found: EventTime | undefined): Promise<boolean> {
    const deadline = this.clock.steady() + REMOTE_MS;
    const left = (): number => Math.max(0, deadline - this.clock.steady());
    for (const server of serversByAge(room).slice(0, MAX_SERVERS)) {
      const told = await atMost(this.#ask(room, server, dir, ts), left(), undefined);
      if (!told || (dir === 'f' ? told.ts < ts : told.ts > ts)) continue;
      if (found && Math.abs(told.ts - ts) >= Math.abs(found.ts - ts)) continue;
      return this.#fetchTo(room, gap, told.eventId, left);
    }
    return false;
  }

  async #ask(room: Room, destination: string, dir: TimeDirection, ts: number): Promise<{ eventId: string; ts: number } | undefined> {
    try {
      const answer = await this.federation.request<{ event_id?: unknown; origin_server_ts?: unknown }>({
        destination, method: 'GET', path: federationPath`/_matrix/federation/v1/timestamp_to_event/${room.id}`, query: { dir, ts: String(ts) },
      });
      const { event_id: eventId, origin_server_ts: told } = answer;
      return typeof eventId === 'string' && eventId.length <= 255 && Number.isSafeInteger(told) ? { eventId, ts: told as number } : undefined;
    } catch (error) {
      if (!(error instanceof MatrixError)) throw error;
      this.log.debug('a server knew no event of that time', { roomId: room.id, destination, reason: error.message });
      return undefined;
    }
  }

  /** Fills the gap until the event is here: then what is between can be paged through without a hole. */
  async #fetchTo(room: Room, gap: Gap, eventId: string, left: () => number): Promise<boolean> {
    let next: Gap | undefined = gap;
    let isFilled = false;
    for (let fill = 0; next && fill < MAX_FILLS && left() > 0; fill++) {
      const stored = await this.events.byId(room.id, eventId);
      if (stored && stored.pos !== null) return true;
      const place: number = next.childPos;
      const filled = await atMost(this.backfiller.fill(room, next).then((result) => result.isFilled), left(), false);
      if (!filled) break;
      isFilled = true;
      next = (await this.history.ofRoom(room.nid)).find((one) => one.childPos < place);
    }
    return isFilled;
  }
}
