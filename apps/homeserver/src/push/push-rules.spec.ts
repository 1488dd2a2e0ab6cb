import { defaultPushRules } from '../account-data/push-rules/default-push-rules.js';
import { parseStoredPushRules, pushRulesetOf } from '../account-data/push-rules/stored-push-rules.js';
import type { PushCondition } from '../account-data/push-rules/push-rule.js';
import { compileCondition } from './compile-condition.js';
import { compilePushRules, notificationFor } from './compile-push-rules.js';
import fc from 'fast-check';
import { lowered, MAX_PATTERN, type TextMatcher, wholeGlob, wordGlob } from './glob.js';
import { PushLook } from './push-look.js';
import { parsePropertyPath, propertyAt } from './property-path.js';
import type { PushContext, PushEvent } from './push-event.js';

const bob = '@bob:b.example';
const alice = '@alice:a.example';

const context = (extra: Partial<PushContext> = {}): PushContext => ({
  displayName: 'Bob', memberCount: 3, senderPower: 0, notificationPower: () => 50, ...extra,
});
const message = (content: object, extra: Partial<PushEvent> = {}): PushEvent => ({
  type: 'm.room.message', sender: alice, room_id: '!room', content, ...extra,
});

const matched = (matcher: TextMatcher, text: string): boolean => matcher(lowered(text), { steps: Infinity });

describe('globs', () => {
  it.each([
    ['lunc?*', 'Lunch plans', true],
    ['lunc?*', 'LUNCH', true],
    ['lunc?*', ' lunch', false],
    ['lunc?*', 'lunc', false],
    ['a*b*c', 'axxbxxbc', true],
    ['a*b*c', 'axxbxxb', false],
    ['*', '', true],
    ['?', '💬', true],
    ['m.notice', 'm.notice', true],
    ['m.notice', 'mxnotice', false],
    ['', '', true],
  ])('whole: %j against %j is %j', (pattern, text, expected) => {
    expect(matched(wholeGlob(pattern), text)).toBe(expected);
  });

  it.each([
    ['ex*ple', 'An example event.', true],
    ['ex*ple', 'exple', true],
    ['ex*ple', 'An exciting triple-whammy', true],
    ['ex*ple', 'vexample', false],
    ['ex*ple', 'examples', false],
    ['cake', 'a CAKE!', true],
    ['cake', 'cakes', false],
    ['cake', 'pancake cake', true],
    ['cake', 'cake_', false],
    ['c?ke', 'my coke, please', true],
    ['*', 'x', true],
  ])('words: %j in %j is %j', (pattern, text, expected) => {
    expect(matched(wordGlob(pattern), text)).toBe(expected);
  });

  it('mean what their regular expressions mean', () => {
    const part = fc.constantFrom('a', 'b', '*', '?', ' ', '_', 'ab');
    const text = fc.array(fc.constantFrom('a', 'b', ' ', '_', 'c'), { maxLength: 80 }).map((list) => list.join(''));
    const source = (pattern: string) => pattern.replaceAll('?', '[^]').replaceAll('*', '[^]*');
    fc.assert(fc.property(fc.array(part, { minLength: 1, maxLength: 50 }).map((list) => list.join('')), text, (pattern, body) => {
      expect(matched(wholeGlob(pattern), body)).toBe(new RegExp(`^${source(pattern)}$`).test(body));
      expect(matched(wordGlob(pattern), body)).toBe(new RegExp(`(?<![A-Za-z0-9_])${source(pattern)}(?![A-Za-z0-9_])`).test(body));
    }), { numRuns: 2_000 });
  });

  it('cost the same for every character, whatever they are, and do not match when that is too much', () => {
    const text = lowered('a'.repeat(60_000));
    for (const pattern of [`${'a*'.repeat(100)}c`, `${'?a'.repeat(127)}`, `${'a'.repeat(254)}b`]) {
      const budget = { steps: 10_000_000 };
      wordGlob(pattern)(text, budget);
      expect(10_000_000 - budget.steps).toBe((text.length + 1) * 8 - (pattern.length < 224 ? text.length + 1 : 0));
    }
    expect(wholeGlob('a*')(text, { steps: text.length })).toBe(false);
    expect(wholeGlob('*')(text, { steps: 100_000 })).toBe(true);
    expect(matched(wholeGlob('?'.repeat(MAX_PATTERN + 1)), 'a'.repeat(MAX_PATTERN + 1))).toBe(false);
  });

  it('share a budget, so that no number of rules makes an event dear', () => {
    const own = { override: Array.from({ length: 500 }, (_, i) => ({
      rule_id: `r${i}`, enabled: true, actions: ['notify'], conditions: [{ kind: 'event_match', key: 'content.body', pattern: `${'?a'.repeat(100)}${i}` }],
    })) };
    const rules = compilePushRules(bob, pushRulesetOf(bob, { own, defaults: {} }));
    const look = new PushLook(message({ body: 'a'.repeat(60_000) }), context());
    for (const rule of rules.rules) rule.matches(look);
    expect(look.budget.steps).toBeGreaterThanOrEqual(0);
    expect(notificationFor(rules, new PushLook(message({ body: 'a'.repeat(60_000) }), context()))).toMatchObject({ highlight: false });
  });
});

describe('property paths', () => {
  it('unescapes dots and backslashes only', () => {
    expect(parsePropertyPath('content.m\\.relates_to.rel_type')).toEqual(['content', 'm.relates_to', 'rel_type']);
    expect(parsePropertyPath('content.m\\\\foo.\\x')).toEqual(['content', 'm\\foo', '\\x']);
  });

  it('finds no inherited members', () => {
    expect(propertyAt({ content: {} }, ['content', 'constructor'])).toBeUndefined();
  });
});

describe('conditions', () => {
  const matches = (condition: PushCondition, event: PushEvent, extra: Partial<PushContext> = {}) =>
    compileCondition(condition)(new PushLook(event, context(extra)));

  it('event_match needs a string', () => {
    const condition = { kind: 'event_match', key: 'content.topic', pattern: '*' };
    expect(matches(condition, message({ topic: '' }))).toBe(true);
    expect(matches(condition, message({ topic: 1 }))).toBe(false);
    expect(matches(condition, message({}))).toBe(false);
  });

  it('event_property_is does not cast', () => {
    const condition = { kind: 'event_property_is', key: 'content.m\\.federate', value: true };
    expect(matches(condition, message({ 'm.federate': true }))).toBe(true);
    expect(matches(condition, message({ 'm.federate': 'true' }))).toBe(false);
    expect(matches(condition, message({ 'm.federate': 1 }))).toBe(false);
    expect(matches({ kind: 'event_property_is', key: 'content.x', value: {} }, message({ x: {} }))).toBe(false);
  });

  it('event_property_contains wants the whole value in a list', () => {
    const condition = { kind: 'event_property_contains', key: 'content.list', value: 'one' };
    expect(matches(condition, message({ list: [1, 'one'] }))).toBe(true);
    expect(matches(condition, message({ list: ['ones'] }))).toBe(false);
    expect(matches(condition, message({ list: 'one' }))).toBe(false);
  });

  it.each([
    ['2', 2, true], ['2', 3, false], ['==2', 2, true], ['<3', 2, true], ['<3', 3, false], ['>3', 4, true],
    ['<=3', 3, true], ['>=3', 2, false], ['~3', 3, false], ['', 0, false],
  ])('room_member_count %j with %d members is %j', (is, memberCount, expected) => {
    expect(matches({ kind: 'room_member_count', is }, message({}), { memberCount })).toBe(expected);
  });

  it('contains_display_name takes the name literally', () => {
    const condition = { kind: 'contains_display_name' };
    expect(matches(condition, message({ body: 'hello bob!' }))).toBe(true);
    expect(matches(condition, message({ body: 'hello bobby' }))).toBe(false);
    expect(matches(condition, message({ body: 'x' }), { displayName: '*' })).toBe(false);
  });

  it('sender_notification_permission compares power levels', () => {
    const condition = { kind: 'sender_notification_permission', key: 'room' };
    expect(matches(condition, message({}), { senderPower: 50 })).toBe(true);
    expect(matches(condition, message({}), { senderPower: 49 })).toBe(false);
  });

  it('unknown and malformed ones never match', () => {
    expect(matches({ kind: 'org.example.new' }, message({}))).toBe(false);
    expect(matches({ kind: 'event_match', key: 'type' }, message({}))).toBe(false);
  });
});

describe('the predefined rules', () => {
  const rules = compilePushRules(bob, defaultPushRules(bob));
  const outcome = (event: PushEvent, extra: Partial<PushContext> = {}) => {
    const notification = notificationFor(rules, new PushLook(event, context(extra)));
    return notification && { highlight: notification.highlight, sound: notification.sound };
  };
  const member = (membership: string, stateKey: string) => message({ membership }, { type: 'm.room.member', state_key: stateKey });

  it.each<[string, PushEvent, Partial<PushContext>, object | null]>([
    ['a message', message({ body: 'hi' }), {}, { highlight: false, sound: undefined }],
    ['a message between two', message({ body: 'hi' }), { memberCount: 2 }, { highlight: false, sound: 'default' }],
    ['an own message', message({ body: 'hi' }, { sender: bob }), {}, null],
    ['a notice', message({ body: 'hi', msgtype: 'm.notice' }), {}, null],
    ['an edit', message({ 'm.relates_to': { rel_type: 'm.replace' } }), {}, null],
    ['a reaction', message({}, { type: 'm.reaction' }), {}, null],
    ['a mention', message({ 'm.mentions': { user_ids: [bob] } }), {}, { highlight: true, sound: 'default' }],
    ['a mention of everybody', message({ 'm.mentions': { room: true } }), { senderPower: 50 }, { highlight: true, sound: undefined }],
    ['the same without the power', message({ 'm.mentions': { room: true } }), {}, { highlight: false, sound: undefined }],
    ['an invitation', member('invite', bob), {}, { highlight: false, sound: 'default' }],
    ['an invitation of another', member('invite', '@carol:c.example'), {}, null],
    ['a call', message({}, { type: 'm.call.invite' }), {}, { highlight: false, sound: 'ring' }],
    ['a tombstone', message({}, { type: 'm.room.tombstone', state_key: '' }), {}, { highlight: true, sound: undefined }],
    ['an encrypted event', message({}, { type: 'm.room.encrypted' }), {}, { highlight: false, sound: undefined }],
    ['another state event', message({ name: 'x' }, { type: 'm.room.name', state_key: '' }), {}, null],
  ])('%s', (_name, event, extra, expected) => {
    expect(outcome(event, extra)).toEqual(expected);
  });
});

describe('an account with rules of its own', () => {
  it('puts them before the predefined ones, but after the master rule', () => {
    const stored = parseStoredPushRules(
      JSON.stringify({
        own: {
          override: [{ rule_id: 'mine', enabled: true, actions: ['notify', { set_tweak: 'highlight', value: false }], conditions: [] }],
          content: [{ rule_id: 'off', enabled: false, actions: [], pattern: '*' }],
        },
        defaults: { '.m.rule.message': { enabled: false } },
      }),
    );
    const ruleset = pushRulesetOf(bob, stored);
    expect(ruleset.override.slice(0, 3).map((rule) => rule.rule_id)).toEqual(['.m.rule.master', 'mine', '.m.rule.suppress_notices']);
    expect(ruleset.underride.find((rule) => rule.rule_id === '.m.rule.message')?.enabled).toBe(false);
    const notification = notificationFor(compilePushRules(bob, ruleset), new PushLook(message({ msgtype: 'm.notice' }), context()));
    expect(notification).toMatchObject({ highlight: false });
    const silenced = pushRulesetOf(bob, { ...stored, defaults: { '.m.rule.master': { enabled: true } } });
    expect(notificationFor(compilePushRules(bob, silenced), new PushLook(message({}), context()))).toBeNull();
  });

  it('decides by room and sender', () => {
    const own = {
      room: [{ rule_id: '!quiet', enabled: true, actions: [] }],
      sender: [{ rule_id: alice, enabled: true, actions: ['dont_notify'] }],
    };
    const rules = compilePushRules(bob, pushRulesetOf(bob, { own, defaults: {} }));
    expect(notificationFor(rules, new PushLook(message({}, { room_id: '!quiet', sender: '@eve:e.example' }), context()))).toBeNull();
    expect(notificationFor(rules, new PushLook(message({}), context()))).toBeNull();
    expect(notificationFor(rules, new PushLook(message({}, { sender: '@eve:e.example' }), context()))).not.toBeNull();
  });
});
