import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { compareRecords, genesisHash, recordOf, roomEventFromJson, roomVersions, type HomeRecord, type RoomEvent } from '#federation';
import { AccountDirectory } from '../../accounts/account-directory.js';
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

const earlier = statement(
  'room_records.earlier_member_events',
  `SELECT e.event_id, r.room_id, e.json FROM events e JOIN rooms r USING (room_nid)
   WHERE e.event_id = ANY ($1) AND e.type = 'm.room.member' AND e.state_key = $2 AND r.version = ANY ($3)`,
);
type EventRow = { event_id: string; room_id: string; json: string };

/**
 * Home records of members of the rooms here. When a room comes to this server its members' records come with the state, and are
 * not stored one by one. The rules of the room have seen that they are in order, not whose name they bear.
 */
@Injectable()
export class RoomRecords implements OnModuleDestroy {
  readonly #found = boundedCache<string, readonly HomeRecord[]>(50_000);
  readonly #unsubscribe: () => void;

  constructor(
    private readonly db: Database,
    private readonly directory: AccountDirectory,
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

  /**
   * The highest record that portable rooms here show of each genesis that bears the name. There is more than one where somebody has
   * only taken it.
   */
  async of(userId: string): Promise<readonly HomeRecord[]> {
    const cached = this.#found.get(userId);
    if (cached) return cached;
    const highest = new Map<string, HomeRecord>();
    for (const record of (await this.memberEvents(userId)).flatMap((event) => recordOf(event) ?? [])) {
      const key = genesisHash(record.genesis);
      const best = highest.get(key);
      if (!best || compareRecords(record, best) > 0) highest.set(key, record);
    }
    const records = [...highest.values()];
    this.#found.set(userId, records);
    return records;
  }

  /** The account's member events in portable rooms here, newest first. */
  async memberEvents(userId: string): Promise<RoomEvent[]> {
    const rows = await this.db.query<EventRow>(memberEvents, [userId, portable, MAX_ROOMS]);
    return rows.map((row) => roomEventFromJson(row.json, row.event_id, row.room_id));
  }

  /** The account's member events upon which these rest: the ones before. */
  async before(userId: string, events: readonly RoomEvent[]): Promise<RoomEvent[]> {
    const ids = [...new Set(events.flatMap((event) => event.pdu.auth_events))];
    const rows = ids.length === 0 ? [] : await this.db.query<EventRow>(earlier, [ids, userId, portable]);
    return rows.map((row) => roomEventFromJson(row.json, row.event_id, row.room_id));
  }

  /** Whether somebody who lives here has invited the account by this genesis, to a room that is here. */
  async isNamedByContact(userId: string, genesisSha256: string): Promise<boolean> {
    return (await this.memberEvents(userId)).some(({ pdu }) =>
      pdu.content['membership'] === 'invite' && pdu.content['genesis_sha256'] === genesisSha256 && this.directory.has(pdu.sender));
  }
}
