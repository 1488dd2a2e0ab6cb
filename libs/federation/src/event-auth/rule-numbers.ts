import type { RoomVersionRules } from '../room-versions/index.js';

/** The numbers that the sections of the authorization rules have in a room version's text. */
export interface RuleNumbers {
  readonly create: string;
  /** Version 12: the room id is the id of an accepted create event. Elsewhere the auth events must hold one. */
  readonly roomId: string;
  readonly authEvents: string;
  /** Within `authEvents`: an entry of another room. */
  readonly authEventsRoom: string;
  readonly federate: string;
  readonly member: string;
  readonly senderJoined: string;
  readonly thirdPartyInvite: string;
  readonly requiredLevel: string;
  readonly ownStateKey: string;
  readonly powerLevels: string;
}

/** Version 12 put a rule 2 before the others; the groups kept their order. */
const withRoomIdRule: RuleNumbers = {
  create: '1', roomId: '2', authEvents: '3', authEventsRoom: '3.4', federate: '4', member: '5', senderJoined: '6',
  thirdPartyInvite: '7', requiredLevel: '8', ownStateKey: '9', powerLevels: '10',
};
/** Up to version 5, where `m.room.aliases` has rule 4. */
const withAliasesRule: RuleNumbers = { ...withRoomIdRule, roomId: '2.3', authEvents: '2', authEventsRoom: '2.4', federate: '3' };
const withoutRoomIdRule: RuleNumbers = {
  create: '1', roomId: '2.4', authEvents: '2', authEventsRoom: '2.5', federate: '3', member: '4', senderJoined: '5',
  thirdPartyInvite: '6', requiredLevel: '7', ownStateKey: '8', powerLevels: '9',
};

export function ruleNumbers(rules: RoomVersionRules): RuleNumbers {
  if (rules.aliasesRule) return withAliasesRule;
  return rules.roomIdIsCreateHash ? withRoomIdRule : withoutRoomIdRule;
}
