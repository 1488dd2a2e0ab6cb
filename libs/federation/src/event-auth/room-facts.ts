import { jsonMember, type Pdu, type RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateReader } from './auth-context.js';

/** `membership` of a user, undefined for somebody who never was in the room. */
export function membershipOf(state: StateReader, userId: string): string | undefined {
  const membership = jsonMember(state.get('m.room.member', userId)?.pdu.content, 'membership');
  return typeof membership === 'string' ? membership : undefined;
}

/** The join rule; a room without one is invite-only. What is no text, `null` too, is a rule that lets nobody in: an empty text. */
export function joinRuleOf(state: StateReader): string {
  const rule = jsonMember(state.get('m.room.join_rules', '')?.pdu.content, 'join_rule');
  return rule === undefined ? 'invite' : typeof rule === 'string' ? rule : '';
}

/** The one creator of old, who gets power 100 before there are power levels: `content.creator` up to version 10. */
export function creatorOf(create: RoomEvent, rules: RoomVersionRules): string | undefined {
  if (rules.implicitCreator) return create.pdu.sender;
  const creator = jsonMember(create.pdu.content, 'creator');
  return typeof creator === 'string' ? creator : undefined;
}

/** Who has infinite power (version 12): the sender of the create event and its `additional_creators`. */
export function isPrivilegedCreator(create: RoomEvent, userId: string, rules: RoomVersionRules): boolean {
  if (!rules.privilegedCreators) return false;
  if (create.pdu.sender === userId) return true;
  const additional = jsonMember(create.pdu.content, 'additional_creators');
  return Array.isArray(additional) && additional.includes(userId);
}

/** `content.third_party_invite.signed`'s token of an invite, which names the state event that allows it. */
export function thirdPartyTokenOf(event: Pick<Pdu, 'content'>): string | undefined {
  const token = jsonMember(jsonMember(jsonMember(event.content, 'third_party_invite'), 'signed'), 'token');
  return typeof token === 'string' ? token : undefined;
}

/** Portable rooms: whether a restricted join may be authorised by this home of who authorises it; one that names none, by any of them. */
export function isAuthorisedBy(join: Pick<RoomEvent, 'pdu'>, home: string): boolean {
  const named = jsonMember(join.pdu.content, 'io.partyline.authorised_home');
  return named === undefined || named === home;
}

/** Portable rooms: a member event that frees the name from its genesis (protocol §3 rule 6). */
export function isReleased(member: RoomEvent | undefined): boolean {
  return jsonMember(member?.pdu.content, 'io.partyline.release') === true;
}

/** A join, leave, … that its subject sent. */
export function isOwnMemberEvent(event: Pick<Pdu, 'type' | 'sender' | 'state_key'>): boolean {
  return event.type === 'm.room.member' && event.state_key === event.sender;
}
