import { jsonMember, type RoomEvent } from '../events/index.js';
import { compareRecords, homeIn, isListed, isSameGenesis, type HomeRecord, type RetiredHome } from '../home-record/index.js';
import { recordOf } from '../home-record/record-of.js';
import type { AuthContext, StateReader } from './auth-context.js';
import { UnsignedError } from './auth-error.js';
import { genesisNamedBy } from './invited-person.js';
import { knownRecord } from './known-record.js';
import { goodRecord } from './record-rules.js';
import { isAuthorisedBy, isOwnMemberEvent, isReleased, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

// Rules 1, 2 and 5 of portable rooms (protocol §3): which server speaks for a person.

/** Rules 1 and 2 for the create event, which stands for itself as its sender's first record. */
export function checkPortableCreate(event: RoomEvent, ctx: AuthContext): void {
  checkHomeOf(event, ownRecord(event), ctx);
}

/** Rule 1: in place of the sender's server, a home that the sender's record names has signed the event. */
export function checkHome({ event, state, ctx, judged }: RuleInput): void {
  const inState = knownRecord(state, event.pdu.sender);
  const own = isOwnMemberEvent(event.pdu) ? ownRecord(event) : undefined;
  if (judged === 'resolution') return;
  if (!own && isVouchedByThirdParty(event, state)) return;
  if (judged === 'before') return checkHomeOf(event, own && !own.deactivated ? own : inState, ctx);
  // The brought record says with which key the home signed; whether that still counts, the state's one.
  const brought = own && !own.deactivated ? own : undefined;
  if (brought) checkHomeOf(event, brought, ctx);
  if (!inState || (brought && (!isSameGenesis(brought, inState) || compareRecords(brought, inState) >= 0))) {
    if (!brought) reject('p1', 'the sender has no home record');
    return;
  }
  const { home } = event.pdu;
  const listed = [...inState.homes, ...(inState.retired ?? [])].filter(({ server_name: name }) => name === home);
  const counts = brought
    ? isListed(inState, homeIn(brought, home)!)
    : listed.some(({ server_name: name, key_id: keyId, key }) => ctx.verifyHomeSignature(event, name, keyId, key));
  if (!counts) reject('p1', `${String(home)} is not, or no more, a home of the sender`);
}

function checkHomeOf(event: RoomEvent, record: HomeRecord | undefined, ctx: AuthContext): void {
  const { home } = event.pdu;
  if (typeof home !== 'string') reject('p1', 'the event names no home');
  if (!record) reject('p1', 'the sender has no home record');
  const entry = homeIn(record, home);
  if (!entry) reject('p1', `${home} is not a home of the sender`);
  if (!ctx.verifyHomeSignature(event, home, entry.key_id, entry.key)) throw new UnsignedError('p1', 'not signed with the home key');
}

/**
 * Any replica may emit the invite of an absent issuer: what proves it is `third_party_invite.signed`, which the rules
 * for invites verify after this. It proves that the issuer invited whoever has the token, and nothing else about the event, which
 * anybody may have made: where the target is joined it would turn a member back into somebody invited; and a genesis that it
 * names, in place of another one or of none, and the end of a release, would be no word of the issuer's.
 */
function isVouchedByThirdParty(event: RoomEvent, state: StateReader): boolean {
  const { pdu } = event;
  if (pdu.type !== 'm.room.member' || pdu.state_key === undefined) return false;
  if (jsonMember(pdu.content, 'membership') !== 'invite' || jsonMember(pdu.content, 'third_party_invite') === undefined) return false;
  const member = state.get('m.room.member', pdu.state_key);
  const membership = membershipOf(state, pdu.state_key);
  const turns = membership === 'invite' && genesisNamedBy(member) !== undefined;
  return genesisNamedBy(event) === undefined && !turns && !isReleased(member) && membership !== 'join';
}

/** Rule 2: what a user publishes about themselves carries a valid record of theirs. */
function ownRecord(event: RoomEvent): HomeRecord {
  const record = goodRecord(event);
  if (!record) reject('p2', 'the event carries no home record');
  if (record.user_id !== event.pdu.sender) reject('p2', 'the home record is of another user');
  // The end of an account is a leave, judged by the record that the room has.
  if (record.deactivated && jsonMember(event.pdu.content, 'membership') !== 'leave') reject('p2', 'the account has ended');
  return record;
}

/**
 * Rule 5, `m.federate: false`: only homes of the creator act. These are the homes of the create event, since other
 * events do not cite the creator's membership; the creator may move on to any home.
 */
export function checkFederatedHome({ event, create }: RuleInput): void {
  if (jsonMember(create.pdu.content, 'm.federate') !== false || event.pdu.sender === create.pdu.sender) return;
  const homes = recordOf(create)?.homes ?? [];
  if (!homes.some(({ server_name: name }) => name === event.pdu.home)) reject('p5', 'the room does not federate');
}

/**
 * Rule 5, restricted joins: the home of the authorising user that the join names has signed too, with its home key. Other memberships have no
 * authoriser: they do not cite one's membership, so nobody could look up the record.
 */
export function checkCosignedByHome({ event, state, ctx, judged }: RuleInput, authoriser: string): void {
  if (jsonMember(event.pdu.content, 'membership') !== 'join') reject('p5', 'only joins name an authorising user');
  if (judged === 'resolution') return;
  const record = knownRecord(state, authoriser);
  const homes = [...(record?.homes ?? []), ...(judged === 'beside' ? (record?.retired ?? []) : [])];
  const signed = homes.some(({ server_name: name, key_id: keyId, key }) =>
    isAuthorisedBy(event, name) && ctx.verifyHomeSignature(event, name, keyId, key));
  if (!signed) throw new UnsignedError('p5', 'not signed by a home of the authorising user');
}

/**
 * Whether an event is the doing of a home that has retired in the state, beside which it stands there. It counts; but what such a
 * home says by its own mouth is soft-failed, since it may be late for ever (protocol §3, "Delivery"). A server that came back
 * with another key, or whose event brings a record that the state does not know yet, is none.
 */
export function isByRetiredHome(event: RoomEvent, state: StateReader, ctx: AuthContext): boolean {
  const record = knownRecord(state, event.pdu.sender);
  const { home } = event.pdu;
  if (!record || typeof home !== 'string') return false;
  const own = isOwnMemberEvent(event.pdu) ? recordOf(event) : undefined;
  if (own && !own.deactivated) {
    const acting = homeIn(own, home);
    return acting !== undefined && isSameGenesis(own, record) && compareRecords(own, record) < 0 && !record.homes.some((one) => one.key === acting.key);
  }
  const signed = (homes: readonly RetiredHome[]): boolean => homes.some(({ server_name: name, key_id: keyId, key }) =>
    name === home && ctx.verifyHomeSignature(event, name, keyId, key));
  return !signed(record.homes) && signed(record.retired ?? []);
}
