import type { JsonObject } from '../events/index.js';
import { roomVersions, type RoomVersionRules } from '../room-versions/index.js';
import { alice, bob, carol, dave, populatedRoom, ruleNumberIn, state } from './populated-room.js';
import { RoomFixture, type Sent } from './room-fixture.js';

// What differs before version 10 is in older-versions.spec.ts.
const versions = roomVersions.filter((rules) => rules.integerPowerLevels);

describe.each(versions.map((rules) => [rules.id, rules] as const))('power levels (rule 10) in room version %s', (_id, rules) => {
  const expectRule = (made: RoomFixture, sent: Sent, rule: string): void => {
    expect(made.try(sent)).toBe(ruleNumberIn(rules, rule));
  };
  const levels = { events: { e: 50, high: 60 }, notifications: { room: 50, high: 60 }, ban: 50, kick: 60,
    users: { ...(rules.privilegedCreators ? {} : { [alice]: 100 }), [bob]: 50, [carol]: 50, [dave]: 10 } };
  const made = populatedRoom(rules, 'public', { ...levels, invite: 50, state_default: 50 });
  const change = (content: JsonObject, sender = bob): Sent =>
    state('m.room.power_levels', sender, { ...made.state.get('m.room.power_levels\0')!.pdu.content, ...content });
  const users = (content: JsonObject): JsonObject => ({ users: { ...levels.users, ...content } });

  it.each<[string, string, JsonObject]>([
    ['no change', 'allowed', {}],
    ['a level that is a string', '10.1', { ban: '50' }],
    ['a level that is null', '10.1', { users_default: null }],
    ['events that are no object', '10.2', { events: [] }],
    ['an event level that is a string', '10.2', { events: { x: '1' } }],
    ['a notification level that is no integer', '10.2', { notifications: { room: true } }],
    ['users that are no object', '10.3', { users: [] }],
    ['users that are null', '10.3', { users: null }],
    ['events that are null', '10.2', { events: null }],
    ['notifications that are null', '10.2', { notifications: null }],
    ['a user level that is null', '10.3', users({ [dave]: null })],
    ['a key that is no user id', '10.3', users({ x: 1 })],
    ['a user level that is a string', '10.3', users({ [dave]: '10' })],
    ['raising a level to one\'s own', 'allowed', { events_default: 50 }],
    ['raising a level above one\'s own', '10.6.2', { events_default: 51 }],
    ['adding a level above one\'s own', '10.6.2', { redact: 51 }],
    ['lowering a level that was above one\'s own', '10.6.1', { kick: 50 }],
    ['lowering a level of one\'s own', 'allowed', { ban: 0 }],
    ['lowering an event level above one\'s own', '10.7.1', { events: { e: 50, high: 50 } }],
    ['removing an event level above one\'s own', '10.7.1', { events: { e: 50 } }],
    ['removing an event level', 'allowed', { events: { high: 60 } }],
    ['adding an event level above one\'s own', '10.8.1', { events: { ...levels.events, x: 51 } }],
    ['adding an event level', 'allowed', { events: { ...levels.events, x: 50 } }],
    ['lowering a notification level above one\'s own', '10.7.1', { notifications: { room: 50, high: 0 } }],
    ['raising a notification level above one\'s own', '10.8.1', { notifications: { room: 51, high: 60 } }],
    ['lowering an equal', '10.9.1', users({ [carol]: 49 })],
    ['lowering oneself', 'allowed', users({ [bob]: 49 })],
    ['lowering a lesser', 'allowed', users({ [dave]: 0 })],
    ['raising a lesser to one\'s own level', 'allowed', users({ [dave]: 50 })],
    ['raising a lesser above oneself', '10.10.1', users({ [dave]: 51 })],
    ['raising oneself', '10.10.1', users({ [bob]: 51 })],
    ['adding a user above oneself', '10.10.1', users({ '@eve:e.example': 51 })],
    ['adding a user', 'allowed', users({ '@eve:e.example': 50 })],
  ])('decides on %s', (_what, rule, content) => {
    expectRule(made, change(content), rule);
  });

  it('lets the first ones be anything well-formed', () => {
    const fresh = RoomFixture.founded(rules, alice);
    expectRule(fresh, state('m.room.power_levels', alice, { ban: 1000, users: { [bob]: 1000 } }), 'allowed');
    expectRule(fresh, state('m.room.power_levels', alice, { ban: '1000' }), '10.1');
    expectRule(fresh, state('m.room.power_levels', alice, { users: null }), '10.3');
    expectRule(fresh, state('m.room.power_levels', alice, {}), 'allowed');
  });

  it('does not let them name creators who have all power', () => {
    const two = RoomFixture.founded(rules, alice, { additional_creators: [bob] });
    const names = (userId: string): Sent => state('m.room.power_levels', alice, { users: { [userId]: 1 } });
    for (const creator of [alice, bob]) expectRule(two, names(creator), rules.privilegedCreators ? '10.4' : 'allowed');
    expectRule(two, names(carol), 'allowed');
  });
});

it('takes level strings where the room version still has them', () => {
  const v10 = versions[0]!;
  const old: RoomVersionRules = { ...v10, integerPowerLevels: false };
  const made = populatedRoom(old, 'public', { events: { loud: ' 60 ' } });
  expect(made.try({ type: 'loud', sender: bob })).toBe('7');
  const users = { [alice]: '100', [bob]: '50' };
  expect(made.try(state('m.room.power_levels', bob, { users, events: { loud: '60' }, invite: '50' }))).toBe('allowed');
  expect(made.try(state('m.room.power_levels', bob, { users: { ...users, [bob]: '51' }, events: { loud: '60' }, invite: '50' }))).toBe('9.7.1');
  expect(made.try(state('m.room.power_levels', bob, { users: { [alice]: 'high' } }))).toBe('9.1');
});
