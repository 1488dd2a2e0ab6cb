import type { PushAction, PushCondition, PushRule, PushRuleset } from './push-rule.js';

const highlight: PushAction = { set_tweak: 'highlight' };
const sound = (value: string): PushAction => ({ set_tweak: 'sound', value });

const isType = (type: string): PushCondition => ({ kind: 'event_match', key: 'type', pattern: type });
const isStateKey = (stateKey: string): PushCondition => ({ kind: 'event_match', key: 'state_key', pattern: stateKey });
const twoMembers: PushCondition = { kind: 'room_member_count', is: '2' };

function rule(id: string, conditions: readonly PushCondition[], actions: readonly PushAction[], enabled = true): PushRule {
  return { rule_id: `.m.rule.${id}`, default: true, enabled, conditions, actions };
}

/** The one rule that goes before those that people make. */
export const MASTER_RULE_ID = '.m.rule.master';

/** The predefined rules (client-api "predefined rules", v1.19), in the order of the specification. */
export function defaultPushRules(userId: string): PushRuleset {
  return {
    override: [
      rule('master', [], [], false),
      rule('suppress_notices', [{ kind: 'event_match', key: 'content.msgtype', pattern: 'm.notice' }], []),
      rule(
        'invite_for_me',
        [isType('m.room.member'), { kind: 'event_match', key: 'content.membership', pattern: 'invite' }, isStateKey(userId)],
        ['notify', sound('default')],
      ),
      rule('member_event', [isType('m.room.member')], []),
      rule(
        'is_user_mention',
        [{ kind: 'event_property_contains', key: 'content.m\\.mentions.user_ids', value: userId }],
        ['notify', sound('default'), highlight],
      ),
      rule(
        'is_room_mention',
        [
          { kind: 'event_property_is', key: 'content.m\\.mentions.room', value: true },
          { kind: 'sender_notification_permission', key: 'room' },
        ],
        ['notify', highlight],
      ),
      rule('tombstone', [isType('m.room.tombstone'), isStateKey('')], ['notify', highlight]),
      rule('reaction', [isType('m.reaction')], []),
      rule('room.server_acl', [isType('m.room.server_acl'), isStateKey('')], []),
      rule('suppress_edits', [{ kind: 'event_property_is', key: 'content.m\\.relates_to.rel_type', value: 'm.replace' }], []),
    ],
    content: [],
    room: [],
    sender: [],
    underride: [
      rule('call', [isType('m.call.invite')], ['notify', sound('ring')]),
      rule('encrypted_room_one_to_one', [twoMembers, isType('m.room.encrypted')], ['notify', sound('default')]),
      rule('room_one_to_one', [twoMembers, isType('m.room.message')], ['notify', sound('default')]),
      rule('message', [isType('m.room.message')], ['notify']),
      rule('encrypted', [isType('m.room.encrypted')], ['notify']),
    ],
  };
}
