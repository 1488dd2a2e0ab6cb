import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import { Database, statement } from '../../storage/database.js';

/** The type of account data by which an account hides its presence: `{"hidden": true}`. */
export const PRESENCE_TYPE = 'io.partyline.presence';

const rooms = statement(
  'presence.rooms',
  `SELECT c.state_key AS user_id, r.room_id FROM current_state c JOIN rooms r USING (room_nid)
   WHERE c.type = 'm.room.member' AND c.state_key = ANY($1) AND c.membership = 'join'`,
);
const hidden = statement(
  'presence.hidden',
  `SELECT user_id, json FROM account_data
   WHERE room_id = '' AND type = '${PRESENCE_TYPE}' AND user_id = ANY($1) AND octet_length(json) <= 1024`,
);

/** Who is where, and who does not want to be seen. */
@Injectable()
export class PeopleInRoomsStore {
  constructor(private readonly db: Database) {}

  /** Rooms held here in which people are joined, by user id; who is in none is missing. */
  async rooms(userIds: readonly string[]): Promise<Map<string, string[]>> {
    const found = new Map<string, string[]>();
    for (const row of await this.db.query<{ user_id: string; room_id: string }>(rooms, [userIds])) {
      const list = found.get(row.user_id);
      if (list) list.push(row.room_id);
      else found.set(row.user_id, [row.room_id]);
    }
    return found;
  }

  /** Those of the accounts that hide their presence. */
  async hidden(userIds: readonly string[]): Promise<Set<string>> {
    const rows = await this.db.query<{ user_id: string; json: string }>(hidden, [userIds]);
    return new Set(rows.filter(({ json }) => (parseStoredJson(json) as { hidden?: unknown }).hidden === true).map((row) => row.user_id));
  }
}
