import { jsonMember, type RoomEvent } from '../events/index.js';
import { HomeRecordError, mayFollow, type HomeRecord } from '../home-record/index.js';
import { recordOf, verifiedRecordOf } from '../home-record/record-of.js';
import type { AuthContext, StateReader } from './auth-context.js';
import { isOwnMemberEvent, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

// The rules that portable rooms add (protocol §3). "U's record" is the home record in U's member event in the state.

/** Rules 1 and 2 for the create event, which stands for itself as its sender's first record. */
export function checkPortableCreate(event: RoomEvent, ctx: AuthContext): void {
  checkActingHome(event, ownRecord(event), ctx);
}

/** Rule 1: in place of the sender's server, a home that the sender's record names has signed the event. */
export function checkHome({ event, state, ctx }: RuleInput): void {
  if (isOwnMemberEvent(event.pdu)) return checkActingHome(event, ownRecord(event), ctx);
  if (isVouchedByThirdParty(event, state)) return;
  checkActingHome(event, recordOf(state.actingMember ?? state.get('m.room.member', event.pdu.sender)), ctx);
}

function checkActingHome(event: RoomEvent, record: HomeRecord | undefined, ctx: AuthContext): void {
  const home = event.pdu.home;
  if (typeof home !== 'string') reject('p1', 'the event names no home');
  if (!record) reject('p1', 'the sender has no home record');
  const entry = record.homes.find(({ server_name: name }) => name === home);
  if (!entry) reject('p1', `${home} is not a home of the sender`);
  if (!ctx.verifyHomeSignature(event, home, entry.key_id, entry.key)) reject('p1', 'not signed with the home key');
}

/**
 * Any replica may emit the invite of an absent issuer: what proves it is `third_party_invite.signed`, which the rules
 * for invites verify after this. The protocol's exception ends where the target is joined: the signed part can be
 * sent again by anybody, and would turn a member back into somebody invited.
 */
function isVouchedByThirdParty({ pdu }: RoomEvent, state: StateReader): boolean {
  return pdu.type === 'm.room.member' && pdu.state_key !== undefined
    && jsonMember(pdu.content, 'membership') === 'invite' && jsonMember(pdu.content, 'third_party_invite') !== undefined
    && membershipOf(state, pdu.state_key) !== 'join';
}

/** Rule 2: what a user publishes about themselves carries a valid record of theirs. */
function ownRecord(event: RoomEvent): HomeRecord {
  const record = goodRecord(event);
  if (!record) reject('p2', 'the event carries no home record');
  if (record.user_id !== event.pdu.sender) reject('p2', 'the home record is of another user');
  return record;
}

function goodRecord(event: RoomEvent): HomeRecord | undefined {
  try {
    return verifiedRecordOf(event);
  } catch (error) {
    if (error instanceof HomeRecordError) reject('p2', error.message);
    throw error;
  }
}

/**
 * Rule 3: once the room has a record of a user, every member event for them carries one that may follow it.
 *
 * A creator's first record is that of the create event: else a stranger with a second genesis for the creator's name
 * could make the creator's first join. And only its subject brings the first record: else an inviter could plant
 * another genesis, with which the real user could never join.
 */
export function checkMonotonic({ event, state, create }: RuleInput, target: string): void {
  const current = recordOf(state.get('m.room.member', target))
    ?? (create.pdu.sender === target ? recordOf(create) : undefined);
  const next = goodRecord(event);
  if (!next) {
    if (current) reject('p3', 'the home record of the target is missing');
    return;
  }
  if (next.user_id !== target) reject('p2', 'the home record is of another user');
  if (!current && event.pdu.sender !== target) reject('p3', 'only its subject can bring the first home record');
  if (!mayFollow(current, next)) reject('p3', 'the home record may not follow the one that the room has');
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
 * Rule 5, restricted joins: a home of the authorising user has signed too, with its home key. Other memberships have no
 * authoriser: they do not cite one's membership, so nobody could look up the record.
 */
export function checkCosignedByHome({ event, state, ctx }: RuleInput, authoriser: string): void {
  if (jsonMember(event.pdu.content, 'membership') !== 'join') reject('p5', 'only joins name an authorising user');
  const homes = recordOf(state.get('m.room.member', authoriser))?.homes ?? [];
  const signed = homes.some(({ server_name: name, key_id: keyId, key }) =>
    ctx.verifyHomeSignature(event, name, keyId, key));
  if (!signed) reject('p5', 'not signed by a home of the authorising user');
}
