import type { RoomEvent } from '../events/index.js';
import { HomeRecordError, type HomeRecord } from './home-record.js';
import { readHomeRecord } from './read-home-record.js';
import { verifyHomeRecord } from './verify-home-record.js';

// Events are immutable, so what they carry is read and verified once. Weak keys: the entries go with the events.
const read = new WeakMap<RoomEvent, HomeRecord | HomeRecordError | undefined>();
const verified = new WeakMap<HomeRecord, true | HomeRecordError>();

/**
 * The home record that a member or create event carries, undefined when there is none or it is malformed. An event
 * that the auth rules of a portable room allowed carries a verified one.
 */
export function recordOf(event: RoomEvent | undefined): HomeRecord | undefined {
  const record = event && carried(event);
  return record instanceof HomeRecordError ? undefined : record;
}

/**
 * The same for an event that is yet to be allowed: the record is read and verified.
 *
 * @throws HomeRecordError when there is a record and it is not good
 */
export function verifiedRecordOf(event: RoomEvent): HomeRecord | undefined {
  const record = carried(event);
  if (record === undefined) return undefined;
  if (record instanceof HomeRecordError) throw record;
  let outcome = verified.get(record);
  if (outcome === undefined) {
    outcome = outcomeOf(() => (verifyHomeRecord(record), true as const));
    verified.set(record, outcome);
  }
  if (outcome instanceof HomeRecordError) throw outcome;
  return record;
}

function carried(event: RoomEvent): HomeRecord | HomeRecordError | undefined {
  if (read.has(event)) return read.get(event);
  const { type, content } = event.pdu;
  const value = type === 'm.room.member' || type === 'm.room.create' ? content['home_record'] : undefined;
  const record = value === undefined ? undefined : outcomeOf(() => readHomeRecord(value));
  read.set(event, record);
  return record;
}

function outcomeOf<T>(step: () => T): T | HomeRecordError {
  try {
    return step();
  } catch (error) {
    if (error instanceof HomeRecordError) return error;
    throw error;
  }
}
