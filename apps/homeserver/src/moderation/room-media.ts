import { Injectable } from '@nestjs/common';
import { isJsonObject, type JsonValue } from '#federation';
import { parseStoredJson } from '#json';
import { addressOf, type MediaAddress, mxcUri } from '../media/media-address.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { Database, longStatement } from '../storage/database.js';

const PAGE = 200;
const page = longStatement(
  'room_media.page',
  `SELECT pos, json FROM events WHERE room_nid = $1 AND pos > $2 AND type = 'm.room.message' AND json LIKE '%mxc://%' AND NOT is_purged ORDER BY pos LIMIT ${PAGE}`,
);
/** Where messages name media: themselves, and their thumbnails. */
const PLACES: readonly (readonly string[])[] = [['url'], ['file', 'url'], ['info', 'thumbnail_url'], ['info', 'thumbnail_file', 'url']];

/** Which media the messages of a room show, as far as this server can read them. */
@Injectable()
export class RoomMedia {
  constructor(
    private readonly db: Database,
    private readonly registry: RoomRegistry,
  ) {}

  /** By URI, in the order of the timeline. @throws MatrixError 404 M_NOT_FOUND */
  async of(roomId: string): Promise<Map<string, MediaAddress>> {
    const { nid } = await this.registry.get(roomId);
    const found = new Map<string, MediaAddress>();
    let after = Number.MIN_SAFE_INTEGER;
    for (;;) {
      const rows = await this.db.query<{ pos: number; json: string }>(page, [nid, after]);
      for (const { json } of rows) {
        const { content } = parseStoredJson(json) as { content: JsonValue };
        for (const place of PLACES) {
          const uri = place.reduce<JsonValue | undefined>((value, name) => (isJsonObject(value) ? value[name] : undefined), content);
          const address = typeof uri === 'string' ? addressOf(uri) : undefined;
          if (address) found.set(mxcUri(address), address);
        }
      }
      if (rows.length < PAGE) return found;
      after = rows.at(-1)!.pos;
    }
  }
}
