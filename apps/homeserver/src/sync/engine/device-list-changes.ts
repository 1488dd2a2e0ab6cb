import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { memberOf, type StateDelta } from '../rooms/room-log.js';
import { SyncEvents } from '../rooms/sync-events.js';
import { DeviceListSource } from '../sources.js';
import type { AnswerPlan } from './room-plan.js';
import type { AnswerMoment, SyncRequest } from './sync-request.js';

const membersOf = statement(
  'device_list_changes.members',
  `SELECT DISTINCT state_key FROM current_state
   WHERE room_nid = ANY($1) AND type = 'm.room.member' AND membership = 'join' AND state_key <> $2`,
);
const stillSharing = statement(
  'device_list_changes.still_sharing',
  `SELECT DISTINCT o.state_key FROM current_state m JOIN current_state o ON o.room_nid = m.room_nid
   WHERE m.type = 'm.room.member' AND m.state_key = $1 AND m.membership = 'join'
     AND o.type = 'm.room.member' AND o.state_key = ANY($2) AND o.membership = 'join'`,
);

/**
 * `device_lists` (Client-Server, "Tracking the device list for a user"): whose keys changed, who shares a room with the
 * reader now and did not before, and who shares none any more.
 */
@Injectable()
export class DeviceListChanges {
  constructor(
    private readonly db: Database,
    private readonly events: SyncEvents,
    private readonly source: DeviceListSource,
  ) {}

  /** @param deltas changes of state of the answer's rooms, by numeric room id */
  async of(request: SyncRequest, plan: AnswerPlan, deltas: ReadonlyMap<number, readonly StateDelta[]>, { next, ahead }: AnswerMoment): Promise<{ changed: string[]; left: string[] } | null> {
    const { userId, since } = request;
    // A client that knows nothing asks for the keys of everybody whom it meets.
    if (since === null) return null;
    const changed = new Set<string>();
    const gone = new Set<string>();
    if (ahead.has('device_lists')) {
      for (const user of await this.source.changed(userId, since.positions.device_lists, next.device_lists)) changed.add(user);
    }
    await this.#membershipChanges(userId, plan, deltas, changed, gone);
    const entered = plan.rooms.filter((room) => room.newlyJoined).map(({ room }) => room.roomNid);
    for (const user of await this.#members(entered, userId)) changed.add(user);
    const left = plan.rooms.filter((room) => room.section === 'leave' && room.state !== 'none').map(({ room }) => room.roomNid);
    for (const user of await this.#members(left, userId)) gone.add(user);
    if (gone.size > 0) for (const user of await this.#stillSharing(userId, [...gone])) gone.delete(user);
    for (const user of gone) changed.delete(user);
    return changed.size + gone.size === 0 ? null : { changed: [...changed], left: [...gone] };
  }

  /** Members who came to or left a room in which the reader was all the time. */
  async #membershipChanges(
    userId: string, plan: AnswerPlan, deltas: ReadonlyMap<number, readonly StateDelta[]>, came: Set<string>, left: Set<string>,
  ): Promise<void> {
    const ends = plan.rooms
      .filter((room) => room.section === 'join' && room.state === 'changes')
      .flatMap(({ room }) => endsOf(deltas.get(room.roomNid) ?? []));
    const others = ends.filter((end) => end.userId !== userId);
    if (others.length === 0) return;
    const events = await this.events.load(others.flatMap(({ before, after }) => [before, after].filter((nid) => nid !== null)));
    const isJoin = (nid: number | null): boolean => nid !== null && events.get(nid)?.membership === 'join';
    for (const { userId: member, before, after } of others) {
      if (isJoin(after) && !isJoin(before)) came.add(member);
      if (!isJoin(after) && isJoin(before)) left.add(member);
    }
  }

  async #members(roomNids: readonly number[], except: string): Promise<string[]> {
    if (roomNids.length === 0) return [];
    return (await this.db.query<{ state_key: string }>(membersOf, [roomNids, except])).map((row) => row.state_key);
  }

  async #stillSharing(userId: string, others: readonly string[]): Promise<string[]> {
    return (await this.db.query<{ state_key: string }>(stillSharing, [userId, others])).map((row) => row.state_key);
  }
}

/** The first and the last state of every member that changed. */
function endsOf(deltas: readonly StateDelta[]): { userId: string; before: number | null; after: number | null }[] {
  const ends = new Map<string, { userId: string; before: number | null; after: number | null }>();
  for (const { key, nid, previous } of deltas) {
    const userId = memberOf(key);
    if (userId === undefined) continue;
    const end = ends.get(userId);
    if (end) end.after = nid;
    else ends.set(userId, { userId, before: previous, after: nid });
  }
  return [...ends.values()];
}
