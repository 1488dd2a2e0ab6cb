import { isAuthorisedBy, isOwnMemberEvent } from '../event-auth/room-facts.js';
import { jsonMember, type RoomEvent } from '../events/index.js';
import { genesisHash, homeIn, type HomeKey, type HomeRecord } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import { authEventOf, type EventLookup } from './event-graph.js';

/** For whom and with which home an event was made. */
export interface Acting {
  readonly userId: string;
  readonly genesis: string;
  /** The record by which the home acted. */
  readonly record: HomeRecord;
  readonly home: HomeKey;
}

/**
 * Portable rooms: who made an event, by what the event itself says and cites. All of that is hashed and was verified when the
 * event was allowed by its auth events, so that every server finds the same, with the same key, and without a signature.
 *
 * @returns undefined where no home acted: an invitation that a third party vouches for
 */
export function actingOf(event: RoomEvent, lookup: EventLookup): Acting | undefined {
  const { pdu } = event;
  const isThirdParty = pdu.type === 'm.room.member' && jsonMember(pdu.content, 'third_party_invite') !== undefined;
  if (isThirdParty && jsonMember(pdu.content, 'membership') === 'invite') return undefined;
  const own = isOwnMemberEvent(pdu) ? recordOf(event) : undefined;
  return acting(pdu.sender, own && !own.deactivated ? own : citedRecord(event, pdu.sender, lookup), pdu.home);
}

/**
 * The home that signed a restricted join for the member who authorises it, or where the event does not name it, all that may have: two
 * copies of an event may carry different signatures. If one of them does not count, the join does not.
 */
export function authorisingOf(event: RoomEvent, lookup: EventLookup): Acting[] {
  const authoriser = jsonMember(event.pdu.content, 'join_authorised_via_users_server');
  if (event.pdu.type !== 'm.room.member' || typeof authoriser !== 'string') return [];
  const record = citedRecord(event, authoriser, lookup);
  return (record?.homes ?? []).filter(({ server_name: name }) => isAuthorisedBy(event, name)).flatMap(({ server_name: name }) => acting(authoriser, record, name) ?? []);
}

function acting(userId: string, record: HomeRecord | undefined, name: unknown): Acting | undefined {
  const home = homeIn(record, name);
  return record && home && { userId, genesis: genesisHash(record.genesis), record, home };
}

function citedRecord(event: RoomEvent, userId: string, lookup: EventLookup): HomeRecord | undefined {
  return recordOf(authEventOf(event, 'm.room.member', userId, lookup));
}
