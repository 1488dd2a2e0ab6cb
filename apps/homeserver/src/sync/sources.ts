/**
 * What `/sync` answers with besides rooms. Each part is owned by another folder, which binds its implementation in
 * sync.module.ts; texts are JSON, so that nothing is parsed on the way.
 */

/** An event of account data: `{"type":…,"content":…}`. */
export interface AccountDataEvent {
  readonly type: string;
  /** JSON text of the content. */
  readonly content: string;
}

export abstract class AccountDataSource {
  /** What changed with `from < pos <= to`; with `from` null everything that is set. Deleted entries have content `{}`. */
  abstract global(userId: string, from: number | null, to: number): Promise<AccountDataEvent[]>;
  /** The same of rooms, by room id; with `from` null of the named rooms, else of all rooms. */
  abstract rooms(userId: string, from: number | null, to: number, roomIds: readonly string[]): Promise<Map<string, AccountDataEvent[]>>;
  /** Users that the account ignores. */
  abstract ignored(userId: string): Promise<ReadonlySet<string>>;
}

export abstract class ToDeviceSource {
  /** JSON texts of the messages after `from`, oldest first, and the position that the last of them has (`to` when all are there). */
  abstract messages(userId: string, deviceId: string, from: number, to: number): Promise<{ events: string[]; pos: number }>;
  /** Deletes what the device has received: everything up to the position. */
  abstract acknowledge(userId: string, deviceId: string, upTo: number): Promise<void>;
}

export abstract class DeviceListSource {
  /** Users, of those who share a room with the account, whose devices changed with `from < pos <= to`. */
  abstract changed(userId: string, from: number, to: number): Promise<string[]>;
}

export abstract class KeyCountSource {
  /** Members of the answer: `device_one_time_keys_count` as JSON text, and unused fallback key types. */
  abstract counts(userId: string, deviceId: string): Promise<{ oneTimeKeys: string; unusedFallback: string }>;
}

export interface UnreadCounts {
  readonly notifications: number;
  readonly highlights: number;
  /** By thread root; the room's own counts are then of the main timeline only. */
  readonly threads: ReadonlyMap<string, { readonly notifications: number; readonly highlights: number }>;
}

export abstract class UnreadSource {
  /** Unread counts of the rooms, by room id. Rooms that are missing have none. */
  abstract counts(userId: string, rooms: readonly { roomId: string; roomNid: number }[], perThread: boolean): Promise<Map<string, UnreadCounts>>;
}
