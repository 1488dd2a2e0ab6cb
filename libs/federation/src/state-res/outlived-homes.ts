import { stateKeyOf, type RoomEvent } from '../events/index.js';
import { recordOf } from '../home-record/index.js';
import { stateKeyOfEvent, type EventLookup } from './event-graph.js';
import type { StateMap } from './split-states.js';

/**
 * Portable rooms (protocol §3 rule 4): whether an event is from before its home was dropped. That shows in a state that holds both
 * the event and a record of its sender without that home: there the dropping came after the event, because behind it the
 * event would have been refused. What the home sends beside its dropping is in no such state. Auth events cannot tell the two
 * apart, and if both were judged by the record that came out, a dropped home could erase whatever it had ever set.
 */
export function outlivesHome(event: RoomEvent, stateSets: readonly StateMap[], lookup: EventLookup): boolean {
  const key = stateKeyOfEvent(event);
  const memberKey = stateKeyOf('m.room.member', event.pdu.sender);
  if (key === undefined || key === memberKey) return false;
  return stateSets.some((set) => {
    const member = set.get(memberKey);
    if (set.get(key) !== event.eventId || member === undefined) return false;
    const record = recordOf(lookup(member));
    return record !== undefined && record.homes.every(({ server_name: name }) => name !== event.pdu.home);
  });
}
