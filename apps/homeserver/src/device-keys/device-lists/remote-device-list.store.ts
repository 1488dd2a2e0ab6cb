import { Injectable } from '@nestjs/common';
import type { JsonObject } from '#federation';
import { parseStoredJson } from '#json';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';
import { withDisplayName } from '../keys/key-object.js';

/** What is known of a cached list. */
export interface RemoteList {
  readonly userId: string;
  readonly origin: string;
  readonly streamId: number | null;
  readonly isStale: boolean;
}

export interface RemoteDevice {
  readonly deviceId: string;
  /** Key object without `unsigned`; null for a device without keys. */
  readonly keys: JsonObject | null;
  readonly displayName: string | null;
}

interface ListRow {
  user_id: string;
  origin: string;
  stream_id: number | null;
  is_stale: boolean;
}

const isShared = `EXISTS (
  SELECT 1 FROM current_state c JOIN local_memberships l ON l.room_nid = c.room_nid AND l.membership = 'join'
  WHERE c.type = 'm.room.member' AND c.membership = 'join' AND c.state_key = u.user_id)`;
const sharedUsers = statement(
  'remote_device_list.shared_users',
  `SELECT u.user_id FROM unnest($1::text[]) AS u(user_id) WHERE ${isShared}`,
);
const lists = statement(
  'remote_device_list.lists',
  'SELECT user_id, origin, stream_id, is_stale FROM remote_device_lists WHERE user_id = ANY($1)',
);
const lockedList = statement(
  'remote_device_list.locked',
  'SELECT user_id, origin, stream_id, is_stale FROM remote_device_lists WHERE user_id = $1 FOR UPDATE',
);
const putList = statement(
  'remote_device_list.put',
  `INSERT INTO remote_device_lists (user_id, origin, stream_id, is_stale) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id) DO UPDATE SET origin = excluded.origin, stream_id = excluded.stream_id, is_stale = excluded.is_stale`,
);
const markStale = statement('remote_device_list.stale', 'UPDATE remote_device_lists SET is_stale = true WHERE user_id = $1');
const devices = statement(
  'remote_device_list.devices',
  'SELECT user_id, device_id, json, display_name FROM remote_devices WHERE user_id = ANY($1) AND json IS NOT NULL ORDER BY device_id',
);
const oneDevice = statement(
  'remote_device_list.device',
  'SELECT json, display_name FROM remote_devices WHERE user_id = $1 AND device_id = $2',
);
const putDevice = statement(
  'remote_device_list.put_device',
  `INSERT INTO remote_devices (user_id, device_id, json, display_name) VALUES ($1, $2, $3, $4)
   ON CONFLICT (user_id, device_id) DO UPDATE SET json = excluded.json, display_name = excluded.display_name`,
);
const deleteDevice = statement('remote_device_list.delete_device', 'DELETE FROM remote_devices WHERE user_id = $1 AND device_id = $2');
const deleteDevices = statement('remote_device_list.delete_devices', 'DELETE FROM remote_devices WHERE user_id = $1');
const unsharedAmong = statement(
  'remote_device_list.unshared_among',
  `SELECT u.user_id FROM remote_device_lists u WHERE u.user_id = ANY($1) AND NOT ${isShared}`,
);
const unsharedOfRoom = statement(
  'remote_device_list.unshared_of_room',
  `SELECT u.user_id FROM remote_device_lists u
   WHERE u.user_id IN (
     SELECT s.state_key FROM current_state s JOIN rooms r USING (room_nid)
     WHERE r.room_id = $1 AND s.type = 'm.room.member' AND s.membership = 'join'
   ) AND NOT ${isShared}`,
);
const unshared = statement('remote_device_list.unshared', `SELECT u.user_id FROM remote_device_lists u WHERE NOT ${isShared}`);
const some = statement('remote_device_list.some', 'SELECT user_id FROM remote_device_lists WHERE user_id > $1 ORDER BY user_id LIMIT $2');
const forgetLists = statement(
  'remote_device_list.forget',
  `WITH gone AS (DELETE FROM remote_device_lists WHERE user_id = ANY($1)),
     keys AS (
       DELETE FROM cross_signing_keys k WHERE k.user_id = ANY($1) AND NOT EXISTS (SELECT 1 FROM accounts a WHERE a.user_id = k.user_id)
     )
   DELETE FROM remote_devices WHERE user_id = ANY($1)`,
);

/** The tables `remote_device_lists` and `remote_devices`. */
@Injectable()
export class RemoteDeviceListStore {
  readonly #insertDevices = new RowInserter(
    'remote_device_list.insert', 'remote_devices', ['user_id', 'device_id', 'json', 'display_name'],
  );

  constructor(private readonly db: Database) {}

  /** Those of the users who share a room with an account on this server, so that their server sends updates here. */
  async shared(userIds: readonly string[]): Promise<Set<string>> {
    return new Set((await this.db.query<{ user_id: string }>(sharedUsers, [userIds])).map((row) => row.user_id));
  }

  async lists(userIds: readonly string[]): Promise<Map<string, RemoteList>> {
    return new Map((await this.db.query<ListRow>(lists, [userIds])).map((row) => [row.user_id, toList(row)]));
  }

  async lockedList(tx: Queryable, userId: string): Promise<RemoteList | undefined> {
    const [row] = await tx.query<ListRow>(lockedList, [userId]);
    return row && toList(row);
  }

  /** Key objects by user id and device id. */
  async devices(userIds: readonly string[]): Promise<Map<string, Record<string, JsonObject>>> {
    const rows = await this.db.query<{ user_id: string; device_id: string; json: string; display_name: string | null }>(devices, [userIds]);
    const users = new Map<string, Record<string, JsonObject>>(userIds.map((userId) => [userId, {}]));
    for (const row of rows) {
      users.get(row.user_id)![row.device_id] = withDisplayName(parseStoredJson(row.json) as JsonObject, row.display_name);
    }
    return users;
  }

  async device(tx: Queryable, userId: string, deviceId: string): Promise<RemoteDevice | undefined> {
    const [row] = await tx.query<{ json: string | null; display_name: string | null }>(oneDevice, [userId, deviceId]);
    return row && { deviceId, keys: row.json === null ? null : (parseStoredJson(row.json) as JsonObject), displayName: row.display_name };
  }

  /** Replaces a whole list. */
  async putList(tx: Queryable, list: RemoteList, all: readonly RemoteDevice[]): Promise<void> {
    await tx.write(putList, [list.userId, list.origin, list.streamId, list.isStale]);
    await tx.write(deleteDevices, [list.userId]);
    await this.#insertDevices.insert(
      tx, all.map(({ deviceId, keys, displayName }) => [list.userId, deviceId, keys && JSON.stringify(keys), displayName]),
    );
  }

  async putStreamId(tx: Queryable, list: RemoteList): Promise<void> {
    await tx.write(putList, [list.userId, list.origin, list.streamId, list.isStale]);
  }

  /** Users whose lists are kept, in the order of their names, after one. */
  async some(after: string, limit: number): Promise<string[]> {
    return (await this.db.query<{ user_id: string }>(some, [after, limit])).map((row) => row.user_id);
  }

  async markStale(tx: Queryable, userId: string): Promise<void> {
    await tx.write(markStale, [userId]);
  }

  async putDevice(tx: Queryable, userId: string, { deviceId, keys, displayName }: RemoteDevice): Promise<void> {
    await tx.write(putDevice, [userId, deviceId, keys && JSON.stringify(keys), displayName]);
  }

  async deleteDevice(tx: Queryable, userId: string, deviceId: string): Promise<void> {
    await tx.write(deleteDevice, [userId, deviceId]);
  }

  /** Forgets lists of users who share no room with anybody here: no updates come any more. Without users: of all. */
  async forgetUnshared(among?: { readonly userIds: readonly string[] } | { readonly roomId: string }): Promise<void> {
    const query = among === undefined
      ? this.db.query<{ user_id: string }>(unshared)
      : 'roomId' in among
        ? this.db.query<{ user_id: string }>(unsharedOfRoom, [among.roomId])
        : this.db.query<{ user_id: string }>(unsharedAmong, [among.userIds]);
    const gone = (await query).map((row) => row.user_id);
    if (gone.length > 0) await this.db.query(forgetLists, [gone]);
  }
}

function toList(row: ListRow): RemoteList {
  return { userId: row.user_id, origin: row.origin, streamId: row.stream_id, isStale: row.is_stale };
}
