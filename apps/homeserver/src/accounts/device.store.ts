import { Injectable } from '@nestjs/common';
import { Database, type Queryable, statement } from '../storage/database.js';

const columns = 'device_id, display_name, last_seen_ts, last_seen_ip, last_seen_ua';
const selectAll = statement('device.list', `SELECT ${columns} FROM devices WHERE user_id = $1 ORDER BY created_ts, device_id`);
const select = statement('device.get', `SELECT ${columns} FROM devices WHERE user_id = $1 AND device_id = $2`);
const count = statement('device.count', 'SELECT count(*) AS n FROM devices WHERE user_id = $1');
const insert = statement(
  'device.insert',
  `INSERT INTO devices (user_id, device_id, display_name, created_ts) VALUES ($1, $2, $3, $4)
   ON CONFLICT DO NOTHING RETURNING device_id`,
);
const rename = statement(
  'device.rename',
  'UPDATE devices SET display_name = $3 WHERE user_id = $1 AND device_id = $2 RETURNING device_id',
);
const remove = statement('device.delete', 'DELETE FROM devices WHERE user_id = $1 AND device_id = ANY($2) RETURNING device_id');
// An UPDATE, so that a device that was deleted meanwhile does not come back.
const touch = statement(
  'device.touch',
  `UPDATE devices d SET last_seen_ts = s.ts, last_seen_ip = s.ip, last_seen_ua = s.ua
   FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[]) AS s(user_id, device_id, ts, ip, ua)
   WHERE d.user_id = s.user_id AND d.device_id = s.device_id`,
);

export interface Device {
  readonly deviceId: string;
  readonly displayName: string | null;
  /** Milliseconds since the epoch. */
  readonly lastSeenTs: number | null;
  readonly lastSeenIp: string | null;
  readonly lastSeenUserAgent: string | null;
}

/** When and from where a device was last used. */
export interface Sighting {
  readonly userId: string;
  readonly deviceId: string;
  readonly ts: number;
  readonly ip: string;
  readonly userAgent: string | null;
}

interface DeviceRow {
  device_id: string;
  display_name: string | null;
  last_seen_ts: number | null;
  last_seen_ip: string | null;
  last_seen_ua: string | null;
}

/** The table `devices`. */
@Injectable()
export class DeviceStore {
  constructor(private readonly db: Database) {}

  async list(userId: string): Promise<Device[]> {
    return (await this.db.query<DeviceRow>(selectAll, [userId])).map(toDevice);
  }

  async get(userId: string, deviceId: string): Promise<Device | undefined> {
    const [row] = await this.db.query<DeviceRow>(select, [userId, deviceId]);
    return row && toDevice(row);
  }

  async count(db: Queryable, userId: string): Promise<number> {
    return Number((await db.query<{ n: number }>(count, [userId]))[0]!.n);
  }

  /** @returns false when the device exists already; then nothing is changed */
  async insert(db: Queryable, userId: string, deviceId: string, displayName: string | null, createdTs: number): Promise<boolean> {
    return (await db.query(insert, [userId, deviceId, displayName, createdTs])).length === 1;
  }

  /** @returns false when there is no such device */
  async rename(db: Queryable, userId: string, deviceId: string, displayName: string | null): Promise<boolean> {
    return (await db.query(rename, [userId, deviceId, displayName])).length === 1;
  }

  /** @returns the ids of those that existed */
  async delete(db: Queryable, userId: string, deviceIds: readonly string[]): Promise<string[]> {
    return (await db.query<{ device_id: string }>(remove, [userId, deviceIds])).map((row) => row.device_id);
  }

  async touch(sightings: readonly Sighting[]): Promise<void> {
    const column = <T>(read: (sighting: Sighting) => T): T[] => sightings.map(read);
    await this.db.query(touch, [
      column((s) => s.userId),
      column((s) => s.deviceId),
      column((s) => s.ts),
      column((s) => s.ip),
      column((s) => s.userAgent),
    ]);
  }
}

function toDevice(row: DeviceRow): Device {
  return {
    deviceId: row.device_id,
    displayName: row.display_name,
    lastSeenTs: row.last_seen_ts,
    lastSeenIp: row.last_seen_ip,
    lastSeenUserAgent: row.last_seen_ua,
  };
}
