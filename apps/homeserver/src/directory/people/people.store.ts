import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** A member event that says how somebody is called. */
export interface SeenName {
  readonly userId: string;
  readonly displayName: string | null;
  readonly avatarUrl: string | null;
}

/** Somebody who was found. */
export interface FoundPerson extends SeenName {
  /** JSON of his member event in a room by which the searcher may find him. */
  readonly memberJson: string;
}

/** Rooms that anybody may come or look into. */
const isOpen = `EXISTS (
  SELECT 1 FROM current_state s JOIN events e USING (event_nid) WHERE s.room_nid = m.room_nid AND s.state_key = ''
    AND (s.type = 'm.room.join_rules' AND e.json LIKE '%"join_rule":"public"%' OR s.type = 'm.room.history_visibility' AND e.json LIKE '%"history_visibility":"world_readable"%'))`;
// Whoever searches finds himself where all others find him: in open rooms.
const search = statement(
  'directory_users.search',
  `SELECT u.user_id, u.display_name, u.avatar_url, found.json AS member_json FROM directory_users u
   CROSS JOIN LATERAL (
     SELECT e.json FROM current_state m JOIN events e USING (event_nid)
     WHERE m.type = 'm.room.member' AND m.state_key = u.user_id AND m.membership = 'join' AND (
       u.user_id <> $1 AND m.room_nid IN (SELECT room_nid FROM current_state WHERE type = 'm.room.member' AND state_key = $1 AND membership = 'join') OR ${isOpen})
     LIMIT 1
   ) found
   WHERE u.search LIKE ALL ($2)
   ORDER BY u.search LIKE $3 DESC, u.display_name IS NULL, u.user_id LIMIT $4`,
);
const mutual = statement(
  'directory_users.mutual_rooms',
  `SELECT r.room_id FROM current_state mine JOIN current_state theirs USING (room_nid) JOIN rooms r USING (room_nid)
   WHERE mine.type = 'm.room.member' AND mine.state_key = $1 AND mine.membership = 'join'
     AND theirs.type = 'm.room.member' AND theirs.state_key = $2 AND theirs.membership = 'join' ORDER BY r.room_id`,
);
const changedRooms = statement('directory_users.changed_rooms', 'SELECT room_nid FROM rooms WHERE last_pos > $1 AND state_nid IS NOT NULL ORDER BY room_nid');
const changedMembers = statement(
  'directory_users.changed_members',
  `SELECT d.pos, d.state_key, e.json FROM state_deltas d JOIN events e USING (event_nid)
   WHERE d.room_nid = $1 AND d.pos > $2 AND d.type = 'm.room.member' AND (d.pos, d.state_key) > ($3, $4) ORDER BY d.pos, d.state_key LIMIT 500`,
);
const progress = statement('directory_progress.get', 'SELECT pos FROM directory_progress');
const advance = statement('directory_progress.set', 'UPDATE directory_progress SET pos = $1');
const people = new RowInserter(
  'directory_users.put', 'directory_users', ['user_id', 'display_name', 'avatar_url', 'search'],
  'ON CONFLICT (user_id) DO UPDATE SET display_name = excluded.display_name, avatar_url = excluded.avatar_url, search = excluded.search',
);

/** A change of a room's members. */
export interface MemberChange {
  readonly pos: number;
  readonly state_key: string;
  readonly json: string;
}

/** Who is called how, and who can be found by whom. */
@Injectable()
export class PeopleStore {
  constructor(private readonly db: Database) {}

  /**
   * @param patterns of LIKE, all of which have to fit
   * @param first pattern of those that come first
   */
  async search(searcher: string, patterns: readonly string[], first: string, limit: number): Promise<FoundPerson[]> {
    const rows = await this.db.query<{ user_id: string; display_name: string | null; avatar_url: string | null; member_json: string }>(search, [searcher, patterns, first, limit]);
    return rows.map((row) => ({ userId: row.user_id, displayName: row.display_name, avatarUrl: row.avatar_url, memberJson: row.member_json }));
  }

  /** Ids of the rooms in which both are joined. */
  async mutualRooms(one: string, other: string): Promise<string[]> {
    return (await this.db.query<{ room_id: string }>(mutual, [one, other])).map((row) => row.room_id);
  }

  /** Each user once. @param pos how far the rooms have been followed with that */
  async put(names: readonly SeenName[], pos: number): Promise<void> {
    await this.db.transaction(async (tx) => {
      await people.insert(tx, names.map((name) => [name.userId, name.displayName, name.avatarUrl, searchTextOf(name)]));
      await tx.query(advance, [pos]);
    });
  }

  async progress(): Promise<number> {
    return (await this.db.query<{ pos: number }>(progress))[0]!.pos;
  }

  /** Numbers of the rooms with events after a position. */
  async changedRooms(pos: number): Promise<number[]> {
    return (await this.db.query<{ room_nid: number }>(changedRooms, [pos])).map((row) => row.room_nid);
  }

  /** A page of a room's changes of members after a position, beyond the last one of the page before. */
  async changedMembers(roomNid: number, pos: number, after: MemberChange | undefined): Promise<MemberChange[]> {
    return this.db.query<MemberChange & { [column: string]: unknown }>(changedMembers, [roomNid, pos, after?.pos ?? pos, after?.state_key ?? '']);
  }
}

/** What is searched in. */
export function searchTextOf({ userId, displayName }: SeenName): string {
  return `${userId.slice(1, userId.indexOf(':'))} ${userId} ${displayName ?? ''}`.toLowerCase();
}
