import { isUserId, serverNameOf } from '../identifiers/index.js';
import { jsonMember, type RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { ruleNumbers } from './rule-numbers.js';
import { reject } from './rule-input.js';

/** Rule 1 of every version: the create event. It stands for itself, without a state. */
export function checkCreate(event: RoomEvent, rules: RoomVersionRules): void {
  const { pdu } = event;
  const n = ruleNumbers(rules).create;
  // It is the first event of its room.
  if (pdu.prev_events.length > 0) reject(`${n}.1`, 'the create event has prev_events');
  if (rules.roomIdIsCreateHash) {
    // The room id derives from the event, so the event cannot hold it.
    if (pdu.room_id !== undefined) reject(`${n}.2`, 'the create event has a room_id');
  } else if (serverNameOf(event.roomId) !== serverNameOf(pdu.sender)) {
    // The sender's server makes the room id.
    reject(`${n}.2`, 'the room id is not of the server of its creator');
  }
  // The version must be a known one. An event read under other rules than its own names another one.
  const version = jsonMember(pdu.content, 'room_version');
  if (version !== undefined && version !== rules.id) reject(`${n}.3`, 'unknown room version');
  // Up to version 10 the creator is named in the content.
  if (!rules.implicitCreator && jsonMember(pdu.content, 'creator') === undefined) {
    reject(`${n}.4`, 'the create event names no creator');
  }
  // Version 12: creators must be user ids.
  const additional = jsonMember(pdu.content, 'additional_creators');
  if (rules.privilegedCreators && additional !== undefined) {
    const valid = Array.isArray(additional)
      && additional.every((id) => typeof id === 'string' && isUserId(id, { historical: true }));
    if (!valid) reject(`${n}.4`, 'additional_creators is not a list of user ids');
  }
}
