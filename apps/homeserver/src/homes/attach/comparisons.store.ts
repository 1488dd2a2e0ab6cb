import { Injectable } from '@nestjs/common';
import { Database, statement } from '../../storage/database.js';

const MAX_OPEN = 10_000;
/** Rooms that the owner is shown. */
const MAX_SHOWN = 20;
const columns = 'user_id, room_id, entered_by, unconfirmed, apart';

const begin = statement(
  'comparison.begin',
  "UPDATE account_arrival_rooms SET entered_by = $3, unconfirmed = $4, apart = '{}' WHERE user_id = $1 AND room_id = $2",
);
const found = statement(
  'comparison.found',
  'UPDATE account_arrival_rooms SET unconfirmed = $4, apart = $5 WHERE user_id = $1 AND room_id = $2 AND entered_by = $3',
);
const open = statement(
  'comparison.open', `SELECT ${columns} FROM account_arrival_rooms WHERE entered_by IS NOT NULL AND cardinality(unconfirmed || apart) > 0 LIMIT ${MAX_OPEN}`,
);
const one = statement('comparison.one', `SELECT ${columns} FROM account_arrival_rooms WHERE user_id = $1 AND room_id = $2 AND entered_by IS NOT NULL`);
const ofUser = statement(
  'comparison.of_user',
  `SELECT ${columns} FROM account_arrival_rooms
   WHERE user_id = $1 AND entered_by IS NOT NULL AND cardinality(unconfirmed || apart) > 0 ORDER BY cardinality(apart) DESC, room_id LIMIT ${MAX_SHOWN}`,
);

/** A room that has moved in, and the replicas that were not yet found to have the same state. */
export interface Comparison {
  readonly userId: string;
  readonly roomId: string;
  /** The event by which this server entered. */
  readonly eventId: string;
  /** Servers that have not answered since. */
  readonly unconfirmed: readonly string[];
  /** Servers that have another state before the event. */
  readonly apart: readonly string[];
}

interface Row extends Record<string, unknown> {
  user_id: string;
  room_id: string;
  entered_by: string;
  unconfirmed: string[];
  apart: string[];
}

/** What table `account_arrival_rooms` says of replicas that are to be compared. */
@Injectable()
export class ComparisonsStore {
  constructor(private readonly db: Database) {}

  async begin(userId: string, roomId: string, eventId: string, servers: readonly string[]): Promise<void> {
    await this.db.query(begin, [userId, roomId, eventId, servers]);
  }

  async found({ userId, roomId, eventId }: Comparison, unconfirmed: readonly string[], apart: readonly string[]): Promise<void> {
    await this.db.query(found, [userId, roomId, eventId, unconfirmed, apart]);
  }

  async open(): Promise<Comparison[]> {
    return (await this.db.query<Row>(open)).map(comparison);
  }

  async get(userId: string, roomId: string): Promise<Comparison | undefined> {
    return (await this.db.query<Row>(one, [userId, roomId])).map(comparison)[0];
  }

  /** Those of an account, who is apart first. */
  async of(userId: string): Promise<Comparison[]> {
    return (await this.db.query<Row>(ofUser, [userId])).map(comparison);
  }
}

function comparison(row: Row): Comparison {
  return { userId: row.user_id, roomId: row.room_id, eventId: row.entered_by, unconfirmed: row.unconfirmed, apart: row.apart };
}
