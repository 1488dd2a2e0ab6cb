import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

const rooms = statement(
  'restored_room.page',
  `SELECT room_id FROM rooms r WHERE room_id > $1 AND state_nid IS NOT NULL
     AND EXISTS (SELECT 1 FROM local_memberships l WHERE l.room_nid = r.room_nid AND l.membership = 'join')
   ORDER BY room_id LIMIT $2`,
);

/** The rooms in which accounts of this server are. */
@Injectable()
export class RestoredRoomsStore {
  constructor(private readonly db: Database) {}

  /** In the order of their ids, after one. */
  async rooms(after: string, limit: number): Promise<string[]> {
    return (await this.db.query<{ room_id: string }>(rooms, [after, limit])).map((row) => row.room_id);
  }
}
