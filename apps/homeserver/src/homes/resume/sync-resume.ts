import { Injectable } from '@nestjs/common';
import { streamNames, type StreamName } from '../../bus/bus.js';
import { Clock } from '../../observability/clock.js';
import { Random } from '../../observability/random.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { ResumePoints } from '../../sync/resume-points.js';
import { formatResumeToken, type RoomResume, type SyncCursor, type SyncPositions } from '../../sync/sync-token.js';
import { AccountVectors } from '../ops/account-vectors.js';
import type { Vector } from '../ops/operation.js';
import { FrontierFetch } from './frontier-fetch.js';
import { ResumeStore } from './resume.store.js';
import { RoomResumes } from './room-resumes.js';

/** A resume point is used at once; a client that sleeps longer resumes anew. */
const LIFETIME_MS = 3_600_000;
const KEPT_PER_ACCOUNT = 20;
/** Receipts of the time before the newest event that the client has seen may have reached this home after it. */
const RECEIPT_SLACK_MS = 15 * 60_000;
const CONCURRENCY = 4;

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
    private readonly clock: Clock,
    private readonly random: Random,
  ) {
    super();
  }

  /** @returns the `since` after which `/sync` yields what the client has not seen, and how many events of its frontiers are unknown here */
  async resume(userId: string, place: Place): Promise<{ since: string; unknown: number }> {
    const { unknown, lastSeen } = await this.#complete(place);
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
    const cursor = { positions, rooms: found.map(([roomId, { fromPos, exclude }]) => [roomId, fromPos, [...exclude]]) };
    const now = this.clock.now();
    await this.store.purge(now - LIFETIME_MS);
    await this.store.put(resumeId, userId, JSON.stringify(cursor), now, KEPT_PER_ACCOUNT);
    return { since: formatResumeToken(resumeId), unknown };
  }

  override async load(userId: string, resumeId: string): Promise<SyncCursor | undefined> {
    const text = await this.store.get(resumeId, userId, this.clock.now() - LIFETIME_MS);
    if (text === undefined) return undefined;
    const { positions, rooms } = JSON.parse(text) as { positions: SyncPositions; rooms: [string, number, string[]][] };
    return { positions, resume: { rooms: new Map(rooms.map(([roomId, fromPos, exclude]) => [roomId, { fromPos, exclude: new Set(exclude) }])) } };
  }

  /** Fetches what the client has seen and this server has not. */
  async #complete(place: Place): Promise<{ unknown: number; lastSeen: number | null }> {
    const all = [...place.rooms.values()].flat();
    let known = await this.store.known(all);
    const missing = new Map([...place.rooms].map(([roomId, ids]): [string, string[]] => [roomId, ids.filter((id) => !known.has(id))]));
    if (known.size < new Set(all).size) {
      await this.fetch.fetch(missing);
      known = await this.store.known(all);
    }
    const times = [...known.values()];
    return { unknown: new Set(all).size - known.size, lastSeen: times.length === 0 ? null : times.reduce((a, b) => Math.max(a, b)) };
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
