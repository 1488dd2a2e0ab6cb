import { jsonMember, type Pdu, type RoomEvent } from '../events/index.js';
import { isListed, type HomeRecord } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { isOwnMemberEvent } from './room-facts.js';

/** An event, no state, whose auth events stand: for a member event with more than `MAX_STANDING_EVENTS` of them, which cites it. */
export const STANDS_TYPE = 'io.partyline.stands';

export function isStandsEvent(pdu: Pick<Pdu, 'type' | 'state_key'>): boolean {
  return pdu.type === STANDS_TYPE && pdu.state_key === undefined;
}

/** Whether `next` ends the say of a home that `current` lists: revokes one, or closes a retired one. */
export function revokesHomes(current: HomeRecord, next: HomeRecord): boolean {
  return [...current.homes, ...(current.retired ?? [])].some((home) => !isListed(next, home));
}

/**
 * The state events to cite when a member event of `userId` brings `next` into the room: what the homes that it revokes or closes
 * have set, and what others' events rest on, such as invitations of people who have joined since. Without that, replicas that
 * hold them only beside the new record would let them fall.
 *
 * @param current the record in the state before the member event
 * @param events all events of that state, and of their auth chains
 */
export function standingEvents(userId: string, current: HomeRecord | undefined, next: HomeRecord, events: Iterable<RoomEvent>): RoomEvent[] {
  if (!current || !revokesHomes(current, next)) return [];
  const gone = new Set([...current.homes, ...(current.retired ?? [])].filter((home) => !isListed(next, home)).map((home) => home.server_name));
  return [...new Set(events)].filter((event) => isSetBy(userId, event) && (event.pdu.sender !== userId || gone.has(event.pdu.home ?? '')));
}

/** A state event of the user, or a join that the user's home has authorised. */
export function isSetBy(userId: string, { pdu }: RoomEvent): boolean {
  if (pdu.state_key === undefined || pdu.type === 'm.room.create') return false;
  return pdu.sender === userId || (pdu.type === 'm.room.member' && jsonMember(pdu.content, 'join_authorised_via_users_server') === userId);
}

/**
 * Whether an event of a portable room may cite another one beside the auth events that every event has: what stands, in a
 * `io.partyline.stands` event or in its sender's own member event that revokes or closes homes; and there such an event.
 *
 * @param previous the sender's member event among the auth events
 */
export function mayCite(event: RoomEvent, cited: RoomEvent, previous: RoomEvent | undefined): boolean {
  const { pdu } = event;
  if (isStandsEvent(pdu)) return isSetBy(pdu.sender, cited);
  if (!isOwnMemberEvent(pdu)) return false;
  // What the state knows of the sender's record.
  if (cited.pdu.type === 'm.room.member' && cited.pdu.state_key === pdu.sender) return true;
  const [current, next] = [recordOf(previous), recordOf(event)];
  if (!current || !next || !revokesHomes(current, next)) return false;
  return isStandsEvent(cited.pdu) ? cited.pdu.sender === pdu.sender : isSetBy(pdu.sender, cited);
}
