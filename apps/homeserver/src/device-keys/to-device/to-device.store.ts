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

/** A message that a device has got at another home. */
export interface SeenMessage {
  readonly userId: string;
  readonly deviceId: string;
  /** See `toDeviceId`. */
  readonly id: string;
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
const seen = statement(
  'to_device.seen',
  `SELECT DISTINCT s.user_id, s.device_id, s.id FROM to_device_seen s
   JOIN unnest($1::text[], $2::text[]) AS d(user_id, device_id) USING (user_id, device_id)`,
);
const addSeen = statement(
  'to_device.add_seen',
  `INSERT INTO to_device_seen (user_id, device_id, id, expires_ts) SELECT $1, $2, id, $4 FROM unnest($3::text[]) AS u(id)
   ON CONFLICT (user_id, device_id, id) DO UPDATE SET expires_ts = greatest(to_device_seen.expires_ts, excluded.expires_ts)`,
);
const trimSeen = statement(
  'to_device.trim_seen',
  `DELETE FROM to_device_seen WHERE user_id = $1 AND device_id = $2 AND id IN
     (SELECT id FROM to_device_seen WHERE user_id = $1 AND device_id = $2 ORDER BY expires_ts DESC OFFSET $3)`,
);
const deleteSeen = statement(
  'to_device.delete_seen',
  `DELETE FROM to_device_seen s USING unnest($1::text[], $2::text[], $3::text[]) AS d(user_id, device_id, id)
   WHERE s.user_id = d.user_id AND s.device_id = d.device_id AND s.id = d.id`,
);
const forgetSeen = statement('to_device.forget_seen', 'DELETE FROM to_device_seen WHERE expires_ts < $1');
const deleteSeenOfDevice = statement('to_device.delete_seen_of_device', 'DELETE FROM to_device_seen WHERE user_id = $1 AND device_id = $2');
const page = statement(
  'to_device.page',
  `SELECT pos, sender, message_id, json FROM to_device_inbox WHERE user_id = $1 AND device_id = $2 AND pos > $3 AND pos <= $4 ORDER BY pos LIMIT $5`,
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
  `WITH keys AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS u(user_id, device_id, sender, message_id)),
   kept AS (
     INSERT INTO to_device_consumed (user_id, device_id, sender, message_id, expires_ts) SELECT DISTINCT keys.*, $5::bigint FROM keys
     ON CONFLICT (user_id, device_id, sender, message_id)
     DO UPDATE SET expires_ts = greatest(to_device_consumed.expires_ts, excluded.expires_ts)
   )
   DELETE FROM to_device_inbox i USING keys k
   WHERE i.user_id = k.user_id AND i.device_id = k.device_id AND i.sender = k.sender AND i.message_id = k.message_id`,
);
const trim = statement(
  'to_device.trim',
  `DELETE FROM to_device_inbox i USING unnest($1::text[], $2::text[]) AS d(user_id, device_id)
   WHERE i.user_id = d.user_id AND i.device_id = d.device_id AND i.pos <= (
     SELECT o.pos FROM to_device_inbox o WHERE o.user_id = d.user_id AND o.device_id = d.device_id ORDER BY o.pos DESC OFFSET $3 LIMIT 1
   )`,
);
const trimSenders = statement(
  'to_device.trim_senders',
  `DELETE FROM to_device_inbox i USING (
     SELECT m.pos, sum(octet_length(m.json)) OVER newer AS bytes, count(*) OVER newer AS messages
     FROM unnest($1::text[], $2::text[], $3::text[]) AS d(user_id, device_id, sender)
     JOIN to_device_inbox m USING (user_id, device_id, sender)
     WINDOW newer AS (PARTITION BY m.user_id, m.device_id, m.sender ORDER BY m.pos DESC)
   ) t WHERE i.pos = t.pos AND (t.bytes > $4 OR t.messages > $5)`,
);
const forget = statement('to_device.forget', 'DELETE FROM to_device_consumed WHERE expires_ts < $1');
const deleteInbox = statement('to_device.delete_inbox', 'DELETE FROM to_device_inbox WHERE user_id = $1 AND device_id = $2');
const deleteConsumed = statement('to_device.delete_consumed', 'DELETE FROM to_device_consumed WHERE user_id = $1 AND device_id = $2');
const ofUser = statement(
  'to_device.of_user',
  'SELECT user_id, device_id, sender, message_id, json FROM to_device_inbox WHERE user_id = $1 ORDER BY pos',
);
const devices = statement('to_device.devices', 'SELECT user_id, device_id FROM devices WHERE user_id = ANY($1)');

/** The tables `to_device_inbox`, `to_device_consumed` and `to_device_seen`. */
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
  async page(
    userId: string, deviceId: string, from: number, to: number, limit: number, db: Queryable = this.db,
  ): Promise<(DeviceMessage & { pos: number })[]> {
    const rows = await db.query<Omit<KeyRow, 'user_id' | 'device_id'> & { pos: number; json: string }>(
      page, [userId, deviceId, from, to, limit],
    );
    return rows.map(({ pos, sender, message_id: messageId, json }) => ({ userId, deviceId, pos, sender, messageId, json }));
  }

  /** Deletes messages up to a position and remembers that they were received. @returns their keys */
  async acknowledge(tx: Queryable, userId: string, deviceId: string, upTo: number, expiresTs: number): Promise<MessageKey[]> {
    return (await tx.query<KeyRow>(acknowledge, [userId, deviceId, upTo, expiresTs])).map(toKey);
  }

  async hasAny(userId: string, deviceId: string): Promise<boolean> {
    return (await this.db.query(hasAny, [userId, deviceId])).length > 0;
  }

  /** Deletes messages, whether they are here already or come later. */
  async consume(db: Queryable, keys: readonly MessageKey[], expiresTs: number): Promise<void> {
    await db.write(consume, [
      keys.map((k) => k.userId), keys.map((k) => k.deviceId), keys.map((k) => k.sender), keys.map((k) => k.messageId), expiresTs,
    ]);
  }

  /** Ids of messages that these devices have got elsewhere and that have not come here. */
  async seen(tx: Queryable, devicesOf: readonly { userId: string; deviceId: string }[]): Promise<SeenMessage[]> {
    const rows = await tx.query<{ user_id: string; device_id: string; id: string }>(
      seen, [devicesOf.map((d) => d.userId), devicesOf.map((d) => d.deviceId)],
    );
    return rows.map((row) => ({ userId: row.user_id, deviceId: row.device_id, id: row.id }));
  }

  /** Notes what a device has got elsewhere, the latest `keep` of it. */
  async addSeen(tx: Queryable, userId: string, deviceId: string, ids: readonly string[], expiresTs: number, keep: number): Promise<void> {
    await tx.write(addSeen, [userId, deviceId, ids, expiresTs]);
    await tx.write(trimSeen, [userId, deviceId, keep]);
  }

  async deleteSeen(tx: Queryable, list: readonly SeenMessage[]): Promise<void> {
    await tx.write(deleteSeen, [list.map((s) => s.userId), list.map((s) => s.deviceId), list.map((s) => s.id)]);
  }

  /** Deletes the oldest messages of each device beyond the newest `max`. */
  async trim(tx: Queryable, devicesToTrim: readonly { userId: string; deviceId: string }[], max: number): Promise<void> {
    await tx.write(trim, [devicesToTrim.map((d) => d.userId), devicesToTrim.map((d) => d.deviceId), max]);
  }

  /** Leaves of each sender's messages in each inbox the newest, up to so many bytes and messages. */
  async trimSenders(tx: Queryable, inboxes: readonly { userId: string; deviceId: string; sender: string }[], maxBytes: number, maxMessages: number): Promise<void> {
    await tx.write(trimSenders, [inboxes.map((i) => i.userId), inboxes.map((i) => i.deviceId), inboxes.map((i) => i.sender), maxBytes, maxMessages]);
  }

  async forgetConsumed(now: number): Promise<void> {
    await this.db.query(forget, [now]);
    await this.db.query(forgetSeen, [now]);
  }

  async deleteDevice(tx: Queryable, userId: string, deviceId: string): Promise<void> {
    await tx.write(deleteInbox, [userId, deviceId]);
    await tx.write(deleteConsumed, [userId, deviceId]);
    await tx.write(deleteSeenOfDevice, [userId, deviceId]);
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
