import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { streamNames, type StreamName } from '../../bus/bus.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { ResumePoints } from '../../sync/resume-points.js';
import {
  awaitEvents, MAX_AWAITED, type RoomResume, type SyncCursor, type SyncPositions,
} from '../../sync/sync-token.js';
import { SyncTokens } from '../../sync/sync-tokens.js';
import { AccountVectors } from '../ops/account-vectors.js';
import type { Vector } from '../ops/account-vectors.js';
import { FrontierFetch } from './frontier-fetch.js';
import { ResumeStore } from './resume.store.js';
import { ResumeTurns } from './resume-turns.js';
import { RoomResumes } from './room-resumes.js';

/** A resume point is used at once; a client that sleeps longer resumes anew. */
const LIFETIME_MS = 3_600_000;
const KEPT_PER_ACCOUNT = 20;
/** How long a client is not shown what it has seen elsewhere, when it comes here at last. */
const AWAITED_MS = 24 * 3_600_000;
/** Receipts of the time before the newest event that the client has seen may have reached this home after it. */
const RECEIPT_SLACK_MS = 15 * 60_000;
const CONCURRENCY = 4;

/** A resume point as it is stored. */
interface StoredCursor {
  readonly positions: SyncPositions;
  /** Room, position, events to leave out. */
  readonly rooms: readonly (readonly [string, number, readonly string[]])[];
  readonly awaited?: readonly string[];
}

/** A client's place, as `libs/routing` tells it. */
export interface Place {
  /** Per room in which the client is: ids of events whose ancestors it has all seen. */
  readonly rooms: ReadonlyMap<string, readonly string[]>;
  readonly account: Vector;
}

/** Exact resume (protocol §5): makes the point at which a client that comes from another home goes on, and keeps it for its first sync. */
@Injectable()
export class SyncResume extends ResumePoints {
  constructor(
    private readonly positions: StreamPositions,
    private readonly memberships: Memberships,
    private readonly store: ResumeStore,
    private readonly rooms: RoomResumes,
    private readonly fetch: FrontierFetch,
    private readonly vectors: AccountVectors,
    private readonly turns: ResumeTurns,
    private readonly tokens: SyncTokens,
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    super();
  }

  /**
   * @returns the `since` after which `/sync` yields what the client has not seen, and how many events of its frontiers are unknown here
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when the account or the device has too many under way
   */
  resume(userId: string, deviceId: string, place: Place): Promise<{ since: string; unknown: number }> {
    return this.turns.run(userId, deviceId, () => this.#resume(userId, place));
  }

  async #resume(userId: string, place: Place): Promise<{ since: string; unknown: number }> {
    const { unknown, lastSeen, missing } = await this.#complete(userId, place);
    const current = Object.fromEntries(streamNames.map((name) => [name, this.positions.current(name)])) as SyncPositions;
    const memberships = await this.memberships.roomsOf(userId);
    const isIn = (roomId: string) => memberships.get(roomId)?.membership === 'join';
    const joined = [...place.rooms.keys()].filter(isIn);
    const ends = [...(await this.store.ends(joined))];
    const found: [string, RoomResume][] = [];
    const worker = async (): Promise<void> => {
      for (let room = ends.shift(); room; room = ends.shift()) {
        const resume = await this.rooms.find(room, place.rooms.get(room.roomId)!, current.events);
        if (resume) found.push([room.roomId, resume]);
      }
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, worker));
    const positions = await this.#positions(userId, place, current, [...memberships.values()], lastSeen);
    const resumeId = this.random.token(18);
    // Not those of rooms that come anew: a timeline that starts again is whole.
    const awaited = found.flatMap(([roomId]) => missing.get(roomId) ?? []).slice(0, MAX_AWAITED);
    const cursor: StoredCursor = {
      positions, rooms: found.map(([roomId, { fromPos, exclude }]) => [roomId, fromPos, [...exclude]]), awaited,
    };
    const now = this.clock.now();
    await this.store.purge(now - LIFETIME_MS);
    await this.store.put(resumeId, userId, JSON.stringify(cursor), now, KEPT_PER_ACCOUNT);
    return { since: this.tokens.resume(resumeId), unknown };
  }

  override async load(userId: string, resumeId: string): Promise<SyncCursor | undefined> {
    const text = await this.store.get(resumeId, userId, this.clock.now() - LIFETIME_MS);
    if (text === undefined) return undefined;
    const { positions, rooms, awaited } = parseStoredJson(text) as StoredCursor;
    return {
      positions,
      awaited: awaitEvents(awaited ?? [], this.clock.steady() + AWAITED_MS),
      resume: { rooms: new Map(rooms.map(([roomId, fromPos, exclude]) => [roomId, { fromPos, exclude: new Set(exclude) }])) },
    };
  }

  /** Fetches what the client has seen and this server has not. */
  async #complete(
    userId: string, place: Place,
  ): Promise<{ unknown: number; lastSeen: number | null; missing: ReadonlyMap<string, readonly string[]> }> {
    const all = [...place.rooms.values()].flat();
    let known = await this.store.known(place.rooms);
    const lacking = () => new Map([...place.rooms].map(([roomId, ids]) => [roomId, ids.filter((id) => !known.has(id))]));
    let missing = lacking();
    if (known.size < new Set(all).size) {
      await this.fetch.fetch(userId, missing);
      known = await this.store.known(place.rooms);
      missing = lacking();
    }
    const times = [...known.values()];
    const lastSeen = times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b));
    return { unknown: new Set(all).size - known.size, lastSeen, missing };
  }

  async #positions(
    userId: string, place: Place, current: SyncPositions, memberships: readonly RoomMembership[], lastSeen: number | null,
  ): Promise<SyncPositions> {
    const mine = await this.vectors.of(userId);
    const hasAll = Object.entries(mine).every(([home, n]) => (place.account[home] ?? 0) >= n) && Object.keys(mine).length > 0;
    const receipts = lastSeen === null ? null : await this.store.receiptsSince(Math.min(lastSeen, this.clock.now()) - RECEIPT_SLACK_MS);
    const changed: Partial<Record<StreamName, number>> = {
      events: this.#membershipsFrom(place, memberships, current.events),
      // Its own counts are not comparable with another home's: what the client may lack is told again, which changes nothing twice.
      account: hasAll ? current.account : 0,
      to_device: 0,
      device_lists: 0,
      typing: 0,
      presence: 0,
      receipts: lastSeen === null ? 0 : receipts === null ? current.receipts : receipts - 1,
    };
    return { ...current, ...changed };
  }

  /** Below the invitations, and the ends of memberships in rooms that the client still thinks it is in. */
  #membershipsFrom(place: Place, memberships: readonly RoomMembership[], current: number): number {
    let from = current;
    for (const { roomId, membership, pos } of memberships) {
      const isNews = membership === 'invite' || membership === 'knock' || (membership !== 'join' && place.rooms.has(roomId));
      if (isNews) from = Math.min(from, pos - 1);
    }
    return Math.max(0, from);
  }
}
