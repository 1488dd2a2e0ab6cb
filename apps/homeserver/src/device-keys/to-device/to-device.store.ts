import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../../storage/database.js';
import { RowInserter } from '../../storage/insert-rows.js';

/** Names a message for one device; a second one of the same name is a copy. */
export interface MessageKey {
  readonly userId: string;
  readonly deviceId: string;
  readonly sender: string;
  readonly messageId: string;
}

export interface DeviceMessage extends MessageKey {
  /** JSON text of the event as the client gets it. */
  readonly json: string;
}

interface KeyRow {
  user_id: string;
  device_id: string;
  sender: string;
  message_id: string;
}

const known = statement(
  'to_device.known',
  `WITH k AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(user_id, device_id, sender, message_id))
   SELECT k.* FROM k JOIN to_device_inbox i USING (user_id, device_id, sender, message_id)
   UNION SELECT k.* FROM k JOIN to_device_consumed c USING (user_id, device_id, sender, message_id)`,
);
const page = statement(
  'to_device.page',
  `SELECT pos, json FROM to_device_inbox WHERE user_id = $1 AND device_id = $2 AND pos > $3 AND pos <= $4 ORDER BY pos LIMIT $5`,
);
const acknowledge = statement(
  'to_device.acknowledge',
  `WITH gone AS (
     DELETE FROM to_device_inbox WHERE user_id = $1 AND device_id = $2 AND pos <= $3 RETURNING sender, message_id
   ), kept AS (
     INSERT INTO to_device_consumed (user_id, device_id, sender, message_id, expires_ts)
     SELECT $1, $2, sender, message_id, $4 FROM gone ON CONFLICT DO NOTHING
   )
   SELECT $1::text AS user_id, $2::text AS device_id, sender, message_id FROM gone`,
);
const hasAny = statement('to_device.has_any', 'SELECT 1 FROM to_device_inbox WHERE user_id = $1 AND device_id = $2 LIMIT 1');
const consume = statement(
  'to_device.consume',
  `WITH kept AS (
     INSERT INTO to_device_consumed (user_id, device_id, sender, message_id, expires_ts) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (user_id, device_id, sender, message_id)
     DO UPDATE SET expires_ts = greatest(to_device_consumed.expires_ts, excluded.expires_ts)
   )
   DELETE FROM to_device_inbox WHERE user_id = $1 AND device_id = $2 AND sender = $3 AND message_id = $4`,
);
const trim = statement(
  'to_device.trim',
  `DELETE FROM to_device_inbox i USING unnest($1::text[], $2::text[]) AS d(user_id, device_id)
   WHERE i.user_id = d.user_id AND i.device_id = d.device_id AND i.pos <= (
     SELECT o.pos FROM to_device_inbox o WHERE o.user_id = d.user_id AND o.device_id = d.device_id ORDER BY o.pos DESC OFFSET $3 LIMIT 1
   )`,
);
const forget = statement('to_device.forget', 'DELETE FROM to_device_consumed WHERE expires_ts < $1');
const deleteInbox = statement('to_device.delete_inbox', 'DELETE FROM to_device_inbox WHERE user_id = $1 AND device_id = $2');
const deleteConsumed = statement('to_device.delete_consumed', 'DELETE FROM to_device_consumed WHERE user_id = $1 AND device_id = $2');
const ofUser = statement(
  'to_device.of_user',
  'SELECT user_id, device_id, sender, message_id, json FROM to_device_inbox WHERE user_id = $1 ORDER BY pos',
);
const devices = statement('to_device.devices', 'SELECT user_id, device_id FROM devices WHERE user_id = ANY($1)');

/** The tables `to_device_inbox` and `to_device_consumed`. */
@Injectable()
export class ToDeviceStore {
  readonly #insert = new RowInserter(
    'to_device.insert', 'to_device_inbox', ['pos', 'user_id', 'device_id', 'sender', 'message_id', 'json'], 'ON CONFLICT DO NOTHING',
  );

  constructor(private readonly db: Database) {}

  /** Those of the keys whose message waits or was received. */
  async known(tx: Queryable, keys: readonly MessageKey[]): Promise<MessageKey[]> {
    const rows = await tx.query<KeyRow>(known, [
      keys.map((k) => k.userId), keys.map((k) => k.deviceId), keys.map((k) => k.sender), keys.map((k) => k.messageId),
    ]);
    return rows.map(toKey);
  }

  async insert(tx: Queryable, messages: readonly (DeviceMessage & { readonly pos: number })[]): Promise<void> {
    await this.#insert.insert(tx, messages.map((m) => [m.pos, m.userId, m.deviceId, m.sender, m.messageId, m.json]));
  }

  /** Messages with `from < pos <= to`, oldest first. */
  page(userId: string, deviceId: string, from: number, to: number, limit: number): Promise<{ pos: number; json: string }[]> {
    return this.db.query<{ pos: number; json: string }>(page, [userId, deviceId, from, to, limit]);
  }

  /** Deletes messages up to a position and remembers that they were received. @returns their keys */
  async acknowledge(tx: Queryable, userId: string, deviceId: string, upTo: number, expiresTs: number): Promise<MessageKey[]> {
    return (await tx.query<KeyRow>(acknowledge, [userId, deviceId, upTo, expiresTs])).map(toKey);
  }

  async hasAny(userId: string, deviceId: string): Promise<boolean> {
    return (await this.db.query(hasAny, [userId, deviceId])).length > 0;
  }

  /** Deletes one message, whether it is here already or comes later. */
  async consume({ userId, deviceId, sender, messageId }: MessageKey, expiresTs: number): Promise<void> {
    await this.db.query(consume, [userId, deviceId, sender, messageId, expiresTs]);
  }

  /** Deletes the oldest messages of each device beyond the newest `max`. */
  async trim(tx: Queryable, devicesToTrim: readonly { userId: string; deviceId: string }[], max: number): Promise<void> {
    await tx.query(trim, [devicesToTrim.map((d) => d.userId), devicesToTrim.map((d) => d.deviceId), max]);
  }

  async forgetConsumed(now: number): Promise<void> {
    await this.db.query(forget, [now]);
  }

  async deleteDevice(tx: Queryable, userId: string, deviceId: string): Promise<void> {
    await tx.query(deleteInbox, [userId, deviceId]);
    await tx.query(deleteConsumed, [userId, deviceId]);
  }

  async ofUser(userId: string): Promise<DeviceMessage[]> {
    return (await this.db.query<KeyRow & { json: string }>(ofUser, [userId])).map((row) => ({ ...toKey(row), json: row.json }));
  }

  /** The device ids of accounts on this server. */
  async devices(userIds: readonly string[]): Promise<Map<string, Set<string>>> {
    const users = new Map(userIds.map((userId) => [userId, new Set<string>()]));
    for (const row of await this.db.query<{ user_id: string; device_id: string }>(devices, [userIds])) {
      users.get(row.user_id)!.add(row.device_id);
    }
    return users;
  }
}

function toKey(row: KeyRow): MessageKey {
  return { userId: row.user_id, deviceId: row.device_id, sender: row.sender, messageId: row.message_id };
}
