import { Injectable } from '@nestjs/common';
import { MatrixError } from '../../errors/matrix-error.js';
import { isUniqueViolation } from '../../storage/database-errors.js';
import { Database, statement } from '../../storage/database.js';

export interface AliasRow {
  readonly roomId: string;
  readonly creator: string;
}

const find = statement(
  'aliases.find',
  'SELECT r.room_id, a.creator FROM room_aliases a JOIN rooms r USING (room_nid) WHERE a.alias = $1',
);
const insert = statement('aliases.insert', 'INSERT INTO room_aliases (alias, room_nid, creator) VALUES ($1, $2, $3)');
const move = statement('aliases.move', 'UPDATE room_aliases SET room_nid = $2 WHERE room_nid = $1');
const remove = statement('aliases.delete', 'DELETE FROM room_aliases WHERE alias = $1 RETURNING 1');
const ofRoom = statement(
  'aliases.of_room',
  'SELECT a.alias FROM room_aliases a JOIN rooms r USING (room_nid) WHERE r.room_id = $1 ORDER BY a.alias',
);

/** Aliases of this server. */
@Injectable()
export class AliasesStore {
  constructor(private readonly db: Database) {}

  async find(alias: string): Promise<AliasRow | undefined> {
    const [row] = await this.db.query<{ room_id: string; creator: string }>(find, [alias]);
    return row && { roomId: row.room_id, creator: row.creator };
  }

  /** @throws MatrixError 400 `M_ROOM_IN_USE` when the alias is taken */
  async add(alias: string, roomNid: number, creator: string): Promise<void> {
    try {
      await this.db.query(insert, [alias, roomNid, creator]);
    } catch (error) {
      if (isUniqueViolation(error)) throw new MatrixError(400, 'M_ROOM_IN_USE', 'This alias is taken');
      throw error;
    }
  }

  async remove(alias: string): Promise<boolean> {
    return (await this.db.query(remove, [alias])).length > 0;
  }

  /** Lets all aliases of a room lead to another one. */
  async move(fromNid: number, toNid: number): Promise<void> {
    await this.db.write(move, [fromNid, toNid]);
  }

  async ofRoom(roomId: string): Promise<string[]> {
    return (await this.db.query<{ alias: string }>(ofRoom, [roomId])).map((row) => row.alias);
  }
}
