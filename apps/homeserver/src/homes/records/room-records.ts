import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { compareRecords, recordOf, roomEventFromJson, roomVersions, type HomeRecord } from '#federation';
import { Bus } from '../../bus/bus.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { Database, statement } from '../../storage/database.js';

const portable = roomVersions.filter((rules) => rules.portable).map((rules) => rules.id);
/** Rooms of one account that are looked at. */
const MAX_ROOMS = 50;

const memberEvents = statement(
  'room_records.member_events',
  `SELECT e.event_id, r.room_id, e.json FROM current_state c JOIN rooms r USING (room_nid) JOIN events e ON e.event_nid = c.event_nid
   WHERE c.type = 'm.room.member' AND c.state_key = $1 AND r.version = ANY ($2) ORDER BY c.event_nid DESC LIMIT $3`,
);

/**
 * Home records of members of the rooms here. When a room comes to this server its members' records come with the state, and are
 * not stored one by one; the rules of the room have proven them.
 */
@Injectable()
export class RoomRecords implements OnModuleDestroy {
  readonly #found = boundedCache<string, { readonly record: HomeRecord | null }>(50_000);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly db: Database,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind !== 'room') return;
      for (const { userId } of message.membershipChanges) this.#found.delete(userId);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** The highest record that a portable room here shows of the account. */
  async of(userId: string): Promise<HomeRecord | undefined> {
    const cached = this.#found.get(userId);
    if (cached) return cached.record ?? undefined;
    const rows = await this.db.query<{ event_id: string; room_id: string; json: string }>(memberEvents, [userId, portable, MAX_ROOMS]);
    const records = rows.flatMap((row) => recordOf(roomEventFromJson(row.json, row.event_id, row.room_id)) ?? []);
    const highest = records.reduce<HomeRecord | undefined>((best, one) => (best && compareRecords(best, one) >= 0 ? best : one), undefined);
    this.#found.set(userId, { record: highest ?? null });
    return highest;
  }
}
