import { jsonMember, type RoomEvent } from '../events/index.js';
import { compareRecords, HomeRecordError, isSameGenesis, mayFollow, type HomeRecord } from '../home-record/index.js';
import { recordOf, verifiedRecordOf } from '../home-record/record-of.js';
import { knownRecord } from './known-record.js';
import { isOwnMemberEvent, isReleased, membershipOf } from './room-facts.js';
import { reject, type RuleInput } from './rule-input.js';

// Rules 3, 4 and 6 of portable rooms (protocol §3): the records that member events carry, and whom a name means.

/** @throws AuthError p2 when there is a record and it is not good */
export function goodRecord(event: RoomEvent): HomeRecord | undefined {
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
 * could make the creator's first join. And only its subject brings a record, others copy it: else an inviter could plant
 * another genesis, with which the real user could never join, or who kicks revoke a home without saying what it had done before.
 */
export function checkRecord(input: RuleInput, target: string): void {
  const { event, state, create, judged } = input;
  const member = state.get('m.room.member', target);
  const current = knownRecord(state, target) ?? (create.pdu.sender === target ? recordOf(create) : undefined);
  const next = goodRecord(event);
  checkRelease(input, target, current);
  if (!next) {
    if (current) reject('p3', 'the home record of the target is missing');
    return;
  }
  if (next.user_id !== target) reject('p2', 'the home record is of another user');
  if (!current && event.pdu.sender !== target) reject('p3', 'only its subject can bring the first home record');
  checkCarries(input, target, recordOf(member), next);
  if (!current) return;
  if (isReleased(member) && isOwnMemberEvent(event.pdu)) {
    if (isSameGenesis(current, next)) reject('p6', 'the name was released from this genesis');
    return;
  }
  const follows = judged !== 'before' ? current.user_id === next.user_id && isSameGenesis(current, next)
    : isOwnMemberEvent(event.pdu) ? mayFollow(current, next) : isSameGenesis(current, next) && compareRecords(current, next) === 0;
  if (!follows) reject('p3', 'the home record may not follow the one that the room has');
}

/**
 * Rule 4: what a server sends to bring a higher record to the room says nothing about whether its subject is in it. It
 * leaves the membership as it is: that of somebody joined, or, with a higher record, of somebody who has left.
 */
function checkCarries({ event, state, judged }: RuleInput, target: string, shown: HomeRecord | undefined, next: HomeRecord): void {
  if (jsonMember(event.pdu.content, 'io.partyline.carries') !== true) return;
  if (event.pdu.sender !== target) reject('p4', 'only its subject carries a record');
  if (judged === 'beside') return;
  const membership = jsonMember(event.pdu.content, 'membership');
  if ((membership !== 'join' && membership !== 'leave') || membershipOf(state, target) !== membership) {
    reject('p4', 'an event that carries a record leaves the membership as it is');
  }
  if (membership === 'leave' && judged === 'before' && !(shown && compareRecords(next, shown) > 0)) {
    reject('p4', 'a second leave brings a higher record');
  }
}

/**
 * Whether an event is taken beside a state whatever membership that shows: it carries its sender's record and says nothing else, so that
 * resolution can find the membership as if it were not there. Else servers of which one saw its sender leave, and another come
 * back, would stay deaf to each other; and a revoked home could make them deaf to the revocation by leaving first.
 */
export function onlyCarries(event: RoomEvent): boolean {
  return isOwnMemberEvent(event.pdu) && jsonMember(event.pdu.content, 'io.partyline.carries') === true;
}

/**
 * Rule 6, release of a name: a kick by who may ban. The record stays and its genesis is barred; the next own event must be of
 * another. Whoever may not ban leaves a release as it is.
 */
function checkRelease({ event, state, levels }: RuleInput, target: string, current: HomeRecord | undefined): void {
  const releases = isReleased(event);
  const isOwn = event.pdu.sender === target;
  if (releases && (isOwn || !current)) reject('p6', 'there is nothing to release, or not for its bearer');
  const was = isReleased(state.get('m.room.member', target));
  if (isOwn || releases === was) return;
  if (releases && jsonMember(event.pdu.content, 'membership') !== 'leave') reject('p6', 'a name is released by a kick');
  if (levels.user(event.pdu.sender) < levels.ban) reject('p6', 'the sender may not release a name, nor take that back');
}
