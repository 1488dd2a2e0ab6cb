import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Bus } from '../../bus/bus.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { RoomActivityStore } from './room-activity.store.js';

/** Rooms whose latest event, and whose latest event that counts as activity, are remembered. */
const MAX_ROOMS = 200_000;

/** What moves a room up in a client's list (MSC4186, `bump_stamp`); the second name of each is that of before it was in the specification. */
export const BUMP_TYPES: readonly string[] = [
  'm.room.create', 'm.room.message', 'm.room.encrypted', 'm.sticker', 'm.call.invite', 'm.poll.start', 'org.matrix.msc3381.poll.start',
  'm.beacon_info', 'org.matrix.msc3672.beacon_info',
];
const bumps: ReadonlySet<string> = new Set(BUMP_TYPES);

/** When something happened in rooms last. No query for rooms that were asked for lately. */
@Injectable()
export class RoomActivity implements OnModuleDestroy {
  readonly #latest = boundedCache<number, number>(MAX_ROOMS);
  readonly #bumps = boundedCache<number, number>(MAX_ROOMS);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly store: RoomActivityStore,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      this.#latest.set(message.roomNid, message.pos);
      const bump = message.events.findLast(({ event }) => bumps.has(event.pdu.type));
      if (bump) this.#bumps.set(message.roomNid, bump.pos);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** Position of the newest event of each room. */
  latest(roomNids: readonly number[]): Promise<ReadonlyMap<number, number>> {
    return read(roomNids, this.#latest, (missing) => this.store.latest(missing));
  }

  /** Position of the newest event of each room that counts as activity. */
  bumps(roomNids: readonly number[]): Promise<ReadonlyMap<number, number>> {
    return read(roomNids, this.#bumps, (missing) => this.store.bumps(missing, BUMP_TYPES));
  }
}

async function read(
  roomNids: readonly number[], held: ReturnType<typeof boundedCache<number, number>>, load: (missing: readonly number[]) => Promise<Map<number, number>>,
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  const missing: number[] = [];
  for (const nid of roomNids) {
    const pos = held.get(nid);
    if (pos === undefined) missing.push(nid);
    else found.set(nid, pos);
  }
  if (missing.length === 0) return found;
  for (const [nid, pos] of await load(missing)) {
    // What was committed while it was read is newer.
    const newest = held.get(nid) ?? pos;
    held.set(nid, newest);
    found.set(nid, newest);
  }
  return found;
}
