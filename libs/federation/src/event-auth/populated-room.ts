import type { JsonObject } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import { RoomFixture, type Sent } from './room-fixture.js';

export const alice = '@alice:a.example';
export const bob = '@bob:b.example';
export const carol = '@carol:c.example';
export const dave = '@dave:d.example';

/** A room that alice made, with levels, where bob (50) and carol (0) are; dave is outside. */
export function populatedRoom(
  rules: RoomVersionRules, joinRule = 'public', levels: JsonObject = {}, create: JsonObject = {},
): RoomFixture {
  const made = RoomFixture.founded(rules, alice, create);
  made.send({ type: 'm.room.power_levels', sender: alice, stateKey: '', content: {
    users: { ...(rules.privilegedCreators ? {} : { [alice]: 100 }), [bob]: 50 }, invite: 50, ...levels,
  } });
  made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  made.join(bob);
  made.join(carol);
  if (joinRule !== 'public') {
    made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: joinRule } });
  }
  return made;
}

/** A membership event, described. */
export function member(sender: string, target: string, membership: string, content: JsonObject = {}): Sent {
  return { type: 'm.room.member', sender, stateKey: target, content: { membership, ...content } };
}

/** A state event, described. */
export function state(type: string, sender: string, content: JsonObject = {}, stateKey = ''): Sent {
  return { type, sender, stateKey, content };
}

/** The number that a rule of version 12 has in a room version; the tests name rules as version 12 does. */
export function ruleNumberIn(rules: RoomVersionRules, rule: string): string {
  if (rules.roomIdIsCreateHash || rule === 'allowed') return rule;
  const [section, ...rest] = rule.split('.');
  if (section === '10' && Number(rest[0]) > 4) rest[0] = String(Number(rest[0]) - 1);
  return [Number(section) - 1, ...rest].join('.');
}
