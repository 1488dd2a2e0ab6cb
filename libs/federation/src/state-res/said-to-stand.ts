import { isOwnMemberEvent } from '../event-auth/room-facts.js';
import { isStandsEvent } from '../event-auth/standing-events.js';
import type { RoomEvent } from '../events/index.js';
import { isListed, type HomeRecord } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { actingOf, type Acting } from './acting-homes.js';
import type { EventLookup } from './event-graph.js';

/**
 * Portable rooms (protocol §3, "What stands"): the ids of what a user's own member events say to stand though its home has gone. Each of
 * them whose record does not list the home says so of all that it cites, by itself or through `io.partyline.stands` events. It has a say
 * if its own home is in a list of the highest record, or if it is said to stand itself.
 *
 * @param bearer the highest record, and member events about the user; those that they lead to have their say as well
 */
export function saidToStand(
  { highest, carriers }: { highest: HomeRecord; carriers: readonly RoomEvent[] }, { userId, home }: Acting, lookup: EventLookup,
): ReadonlySet<string> {
  const said = new Set<string>();
  const heard = new Set<RoomEvent>();
  for (const event of membersBehind(carriers, userId, lookup)) {
    const by = isOwnMemberEvent(event.pdu) ? actingOf(event, lookup) : undefined;
    if (by && isListed(highest, by.home)) heard.add(event);
  }
  for (const event of heard) {
    const record = recordOf(event)!;
    for (const cited of citedBy(event, lookup)) {
      if (!isListed(record, home)) said.add(cited.eventId);
      const by = isOwnMemberEvent(cited.pdu) && cited.pdu.sender === userId ? actingOf(cited, lookup) : undefined;
      if (by && !isListed(record, by.home)) heard.add(cited);
    }
  }
  return said;
}

/** Some member events about a user, and those that they cite, and so on. */
function membersBehind(events: readonly RoomEvent[], userId: string, lookup: EventLookup): Set<RoomEvent> {
  const found = new Set(events);
  for (const { pdu } of found) {
    for (const id of pdu.auth_events) {
      const cited = lookup(id);
      if (cited?.pdu.type === 'm.room.member' && cited.pdu.state_key === userId) found.add(cited);
    }
  }
  return found;
}

function* citedBy({ pdu }: RoomEvent, lookup: EventLookup): Generator<RoomEvent> {
  for (const id of pdu.auth_events) {
    const cited = lookup(id);
    if (!cited) continue;
    yield cited;
    if (isStandsEvent(cited.pdu)) yield* citedBy(cited, lookup);
  }
}
