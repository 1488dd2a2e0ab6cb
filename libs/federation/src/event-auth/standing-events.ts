import { jsonMember, type Pdu, type RoomEvent } from '../events/index.js';
import { compareRecords, homeIn, isListed, type HomeRecord } from '../home-record/index.js';
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
 * Whether a member event that brings `next` has something to say of what stands: it ends the say of a home, or the state has what a home
 * has set that neither record names; another device may have added that, and the state have it for want of anybody who dropped the home.
 */
export function mayEndSay(userId: string, current: HomeRecord | undefined, next: HomeRecord, state: Iterable<RoomEvent>): boolean {
  if (!current || compareRecords(current, next) === 0) return false;
  if (revokesHomes(current, next)) return true;
  const named = new Set([...current.homes, ...(current.retired ?? [])].map((home) => home.server_name));
  for (const event of state) if (event.pdu.sender === userId && isSetBy(userId, event) && !named.has(event.pdu.home ?? '')) return true;
  return false;
}

/**
 * The state events to cite when a member event of `userId` brings `next` into the room: what the homes that it revokes or closes
 * have set, also those that only a record with the number of `current` lists, and what others' events rest on, such as invitations of people
 * who have joined since. Without that, replicas that hold them only beside the new record would let them fall.
 *
 * @param current the highest record that the state before the member event knows
 * @param events all events of that state, and of their auth chains
 */
export function standingEvents(userId: string, current: HomeRecord | undefined, next: HomeRecord, events: Iterable<RoomEvent>): RoomEvent[] {
  if (!current || compareRecords(current, next) === 0) return [];
  const isRevoking = revokesHomes(current, next);
  const gone = new Set([...current.homes, ...(current.retired ?? [])].filter((home) => !isListed(next, home)).map((home) => home.server_name));
  const byId = new Map([...events].map((event) => [event.eventId, event]));
  const isOfTwin = (event: RoomEvent): boolean => {
    const acting = isOwnMemberEvent(event.pdu) ? recordOf(event) : recordOf(event.pdu.auth_events.map((id) => byId.get(id))
      .find((cited) => cited?.pdu.type === 'm.room.member' && cited.pdu.state_key === userId));
    const home = homeIn(acting, event.pdu.home);
    return acting?.epoch === current.epoch && acting.seq === current.seq && home !== undefined && !isListed(current, home) && !isListed(next, home);
  };
  return [...byId.values()].filter((event) => isSetBy(userId, event)
    && (event.pdu.sender !== userId ? isRevoking : gone.has(event.pdu.home ?? '') || isOfTwin(event)));
}

/** A state event of the user, or a join that the user's home has authorised. */
export function isSetBy(userId: string, { pdu }: RoomEvent): boolean {
  if (pdu.state_key === undefined || pdu.type === 'm.room.create') return false;
  return pdu.sender === userId || (pdu.type === 'm.room.member' && jsonMember(pdu.content, 'join_authorised_via_users_server') === userId);
}

/**
 * Whether an event of a portable room may cite another one beside the auth events that every event has: what stands, in a
 * `io.partyline.stands` event or in its sender's own member event that brings another record, and there such an event; in every member event
 * what is known of its subject's record.
 *
 * @param previous the sender's member event among the auth events
 */
export function mayCite(event: RoomEvent, cited: RoomEvent, previous: RoomEvent | undefined): boolean {
  const { pdu } = event;
  if (isStandsEvent(pdu)) return isSetBy(pdu.sender, cited);
  if (isAboutSubject(event, cited)) return true;
  if (!isOwnMemberEvent(pdu)) return false;
  const [current, next] = [recordOf(previous), recordOf(event)];
  if (!current || !next || compareRecords(current, next) === 0) return false;
  return isStandsEvent(cited.pdu) ? cited.pdu.sender === pdu.sender : isSetBy(pdu.sender, cited);
}

/** Whether both are member events about the same user: the one may say what is known of his record. */
export function isAboutSubject({ pdu }: RoomEvent, cited: RoomEvent): boolean {
  return pdu.type === 'm.room.member' && cited.pdu.type === 'm.room.member' && cited.pdu.state_key === pdu.state_key;
}
