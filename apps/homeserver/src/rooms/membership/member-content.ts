import { genesisHash, isReleased, knownRecord, type HomeRecord, type JsonObject, type StateReader } from '#federation';

/** Memberships that a user of this server can bring about. */
export type MembershipTarget = 'join' | 'invite' | 'leave' | 'ban' | 'knock';

/** What servers say in member events, most of it in those of portable rooms; clients do not. */
export const SERVERS_OWN: readonly string[] = ['join_authorised_via_users_server', 'home_record', 'genesis_sha256', 'io.partyline.authorised_home', 'io.partyline.carries', 'io.partyline.release'];

/** What the server itself says; protocol §3 rules 4 and 6. */
export interface MemberTerms {
  /** Who lets in by the join rule; the event is signed by a server of that user, too. */
  readonly authoriser?: string | undefined;
  /** The server brings a record and the member says nothing: only somebody joined is joined by it. */
  readonly carries?: boolean;
  /** Frees the name from its genesis, or takes that back; absent: as it is. */
  readonly release?: boolean;
  /** SHA-256 of the genesis of an invitee whom the room does not know yet. */
  readonly genesis?: string | undefined;
  /** The home of the authorising user that signs a restricted join. */
  readonly authorisedHome?: string | undefined;
}

/**
 * Content of a member event. In portable rooms the event carries a home record (protocol §3 rules 2 and 3): the sender's own
 * highest one when about himself; else a copy of the one in the room.
 *
 * @param record the sender's record; null outside of portable rooms
 * @param terms what the event says beside
 */
export function memberContent(
  state: StateReader, sender: string, target: string, membership: MembershipTarget, record: HomeRecord | null, extra: JsonObject,
  terms: MemberTerms = {},
): JsonObject {
  const content: JsonObject = { ...extra, membership };
  for (const name of SERVERS_OWN) delete content[name];
  if (terms.authoriser !== undefined) content['join_authorised_via_users_server'] = terms.authoriser;
  if (!record) return content;
  const member = state.get('m.room.member', target);
  const carried = sender === target ? record : knownRecord(state, target);
  if (carried) content['home_record'] = carried as unknown as JsonObject;
  // Rule 6: a name that was released stays so until somebody who may ban takes that back.
  if (sender !== target && (terms.release ?? isReleased(member))) content['io.partyline.release'] = true;
  if (sender === target && terms.carries) content['io.partyline.carries'] = true;
  if (terms.authorisedHome !== undefined) content['io.partyline.authorised_home'] = terms.authorisedHome;
  if (membership !== 'invite') return content;
  const known = !isReleased(member) && carried ? genesisHash(carried.genesis) : terms.genesis;
  return known === undefined ? content : { ...content, genesis_sha256: known };
}
