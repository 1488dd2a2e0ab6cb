import { addSignature, type JsonObject, type RoomEvent } from '../events/index.js';
import { roomVersions } from '../room-versions/index.js';
import { alice, bob, carol, dave, member, populatedRoom, ruleNumberIn, state } from './populated-room.js';
import { keyOf, RoomFixture, ruleOf, type Sent } from './room-fixture.js';
import { authStateKeys, checkAuth, checkAuthEvents, stateOf } from './index.js';

// What differs before version 10 is in older-versions.spec.ts.
const versions = roomVersions.filter((rules) => rules.integerPowerLevels);

describe.each(versions.map((rules) => [rules.id, rules] as const))('authorization rules of room version %s', (_id, rules) => {
  const numbered = (rule: string): string => ruleNumberIn(rules, rule);
  const expectRule = (made: RoomFixture, sent: Sent, rule: string): void => {
    expect(made.try(sent)).toBe(numbered(rule));
  };

  describe('1: create', () => {
    it('allows a create event, and only one that is the first and of a known version', () => {
      const made = RoomFixture.unfounded(rules);
      const create = made.createOf(alice);
      expect(made.try(create)).toBe('allowed');
      expect(made.try({ ...create, content: { ...create.content, room_version: 'other' } })).toBe('1.3');
      const first = made.build(create);
      expect(made.try({ ...create, prev: [first] })).toBe('1.1');
    });

    it('ties the room id to the creator', () => {
      const made = RoomFixture.unfounded(rules);
      if (!rules.roomIdIsCreateHash) {
        expect(made.try({ ...made.createOf(alice), roomId: '!room:b.example' })).toBe('1.2');
        return;
      }
      const create = made.build(made.createOf(alice));
      const withRoomId: RoomEvent = { ...create, pdu: { ...create.pdu, room_id: '!x' } };
      expect(ruleOf(() => checkAuth(withRoomId, stateOf([]), rules, made.ctx))).toBe('1.2');
    });

    it('asks for a creator where there is one in the content, and for user ids where there are several', () => {
      const made = RoomFixture.unfounded(rules);
      const { creator: _, ...content } = made.createOf(alice).content!;
      expect(made.try({ ...made.createOf(alice), content })).toBe(rules.implicitCreator ? 'allowed' : '1.4');
      for (const [additional, verdict] of [[[bob], 'allowed'], [['bob'], '1.4'], [[5], '1.4'], [bob, '1.4']] as const) {
        const create = made.createOf(alice, { additional_creators: additional as never });
        expect(made.try(create)).toBe(rules.privilegedCreators ? verdict : 'allowed');
      }
    });
  });

  describe('2 and 3: create event and auth events', () => {
    it('needs the create event of this very room', () => {
      const made = populatedRoom(rules);
      const event = made.build({ type: 'm.room.message', sender: bob });
      const others = [...made.state.values()].filter(({ pdu }) => pdu.type !== 'm.room.create');
      const missing = rules.roomIdIsCreateHash ? '2' : '2.4';
      expect(ruleOf(() => checkAuth(event, stateOf(others), rules, made.ctx))).toBe(missing);
      if (rules.roomIdIsCreateHash) {
        const other = RoomFixture.founded(rules, bob);
        expect(ruleOf(() => checkAuth(event, stateOf([...others, other.create]), rules, made.ctx))).toBe('2');
      }
    });

    it('refuses auth events that are double, foreign, or have no say', () => {
      const made = populatedRoom(rules);
      const sent: Sent = { type: 'm.room.message', sender: bob };
      const cited = made.build(sent).pdu.auth_events.map((id) => made.events.get(id)!);
      const levels = made.build(state('m.room.power_levels', alice, { users: {} }));
      const topic = made.send(state('m.room.topic', alice));
      const message = made.send({ type: 'm.room.message', sender: alice });
      const verdict = (list: RoomEvent[]): string => made.verdict(made.build({ ...sent, auth: list })).split(', ').pop()!;
      expect(verdict(cited)).toBe('allowed');
      expect(verdict([...cited, levels])).toBe(`${numbered('3.1')} by auth events`);
      expect(verdict([...cited, topic])).toBe(`${numbered('3.2')} by auth events`);
      expect(verdict([...cited, message])).toBe(`${numbered('3.2')} by auth events`);
      expect(verdict([...cited, made.state.get('m.room.member\0' + carol)!])).toBe(`${numbered('3.2')} by auth events`);
      if (rules.roomIdIsCreateHash) expect(verdict([made.create, ...cited])).toBe('3.2 by auth events');
      else expect(verdict(cited.slice(1))).toBe('2.4 by auth events');
    });

    it('refuses auth events of another room', () => {
      const made = populatedRoom(rules);
      const other = populatedRoom(rules, 'public', {}, { other: true });
      const foreign = { ...other.state.get('m.room.power_levels\0')!, roomId: '!other:a.example' };
      const event = made.build({ type: 'm.room.message', sender: bob });
      const cited = event.pdu.auth_events.map((id) => made.events.get(id)!)
        .map((auth) => (auth.pdu.type === 'm.room.power_levels' ? foreign : auth));
      const rule = ruleOf(() => checkAuthEvents(event, cited, made.create, rules, made.ctx));
      expect(rule).toBe(rules.roomIdIsCreateHash ? '3.4' : '2.5');
    });

    it('selects auth events', () => {
      const create = rules.roomIdIsCreateHash ? [] : [['m.room.create', '']];
      const keys = (sent: Sent): string[][] => authStateKeys(
        { type: sent.type, sender: sent.sender, content: sent.content ?? {}, ...(sent.stateKey !== undefined && { state_key: sent.stateKey }) }, rules,
      );
      const levels = ['m.room.power_levels', ''];
      expect(keys(state('m.room.create', alice))).toEqual([]);
      expect(keys({ type: 'm.room.message', sender: bob })).toEqual([...create, levels, ['m.room.member', bob]]);
      const known = (userId: string) => (rules.portable ? [['io.partyline.known_record', userId]] : []);
      expect(keys(member(bob, bob, 'join', { join_authorised_via_users_server: alice }))).toEqual(
        [...create, levels, ['m.room.member', bob], ...known(bob), ['m.room.join_rules', ''], ['m.room.member', alice]]);
      expect(keys(member(bob, carol, 'invite', { third_party_invite: { signed: { token: 'x' } } }))).toEqual(
        [...create, levels, ['m.room.member', bob], ['m.room.member', carol], ...known(carol), ['m.room.join_rules', ''], ['m.room.third_party_invite', 'x']]);
      expect(keys(member(bob, carol, 'ban'))).toEqual([...create, levels, ['m.room.member', bob], ['m.room.member', carol], ...known(carol)]);
      expect(keys(state('m.room.topic', bob))).toEqual([...create, levels, ['m.room.member', bob], ...(rules.portable ? [['m.room.topic', '']] : [])]);
    });
  });

  it('4: keeps a room that does not federate to one server', () => {
    const made = RoomFixture.founded(rules, alice, { 'm.federate': false });
    made.send(state('m.room.join_rules', alice, { join_rule: 'public' }));
    expect(made.try(member('@other:a.example', '@other:a.example', 'join'))).toBe('allowed');
    expect(made.try(member(bob, bob, 'join'))).toBe(rules.portable ? 'p5' : numbered('4'));
    for (const odd of [null, 'false', 0, {}]) {
      const other = RoomFixture.founded(rules, alice, { 'm.federate': odd });
      other.send(state('m.room.join_rules', alice, { join_rule: 'public' }));
      if (!rules.portable) expect([odd, other.try(member(bob, bob, 'join'))]).toEqual([odd, numbered('4')]);
    }
  });

  describe('5: members', () => {
    it('5.1, 5.8: needs a state key and a known membership', () => {
      const made = populatedRoom(rules);
      expectRule(made, state('m.room.member', bob, {}, bob), '5.1');
      expectRule(made, member(bob, bob, 'party'), '5.8');
      expectRule(made, member(bob, bob, null as unknown as string), '5.8');
      for (const nobody of ['', 'dave', '@dave', 'dave:d.example', '@dave:', '@dave:d example', '!room:d.example']) expectRule(made, member(bob, nobody, 'invite'), '5.1');
      if (!rules.portable) for (const old of ['@Dave:d.example', '@:d.example', '@d ave:d.example']) expectRule(made, member(bob, old, 'invite'), 'allowed');
      if (!rules.portable) expectRule(made, { type: 'm.room.member', sender: bob, content: { membership: 'join' } }, '5.1');
    });

    it('5.3.1: lets the creator in first, and only then and only the creator', () => {
      const made = RoomFixture.unfounded(rules);
      made.send(made.createOf(alice));
      expectRule(made, member(alice, alice, 'join'), 'allowed');
      expectRule(made, member(bob, bob, 'join'), '5.3.7');
      const second = made.build({ type: 'm.room.message', sender: alice });
      expectRule(made, { ...member(alice, alice, 'join'), prev: [second] }, '5.3.7');
      expectRule(made, { ...member(alice, alice, 'join'), prev: [made.create, second] }, '5.3.7');
    });

    it('5.3.2, 5.3.3: nobody joins for others or while banned', () => {
      const made = populatedRoom(rules);
      expectRule(made, member(dave, dave, 'join'), 'allowed');
      if (!rules.portable) expectRule(made, member(alice, dave, 'join'), '5.3.2');
      expectRule(made, member(alice, bob, 'join'), '5.3.2');
      made.member(alice, dave, 'ban');
      expectRule(made, member(dave, dave, 'join'), '5.3.3');
    });

    it.each(['invite', 'knock', 'restricted', 'knock_restricted'])('5.3.4, 5.3.5: lets members and invited people join under %s', (joinRule) => {
      const made = populatedRoom(rules, joinRule);
      expectRule(made, member(bob, bob, 'join', { displayname: 'Bob' }), 'allowed');
      expectRule(made, member(dave, dave, 'join'), joinRule.includes('restricted') ? '5.3.5.2' : '5.3.7');
      made.member(alice, dave, 'invite');
      expectRule(made, member(dave, dave, 'join'), 'allowed');
    });

    it('5.3.6, 5.3.7: takes a missing join rule for invite and refuses unknown ones', () => {
      const made = RoomFixture.founded(rules, alice);
      expectRule(made, member(bob, bob, 'join'), '5.3.7');
      for (const odd of [null, 5, ['public'], { public: true }]) {
        made.send(state('m.room.join_rules', alice, { join_rule: odd }));
        expectRule(made, member(dave, dave, 'join'), '5.3.7');
        expectRule(made, member(carol, carol, 'join', { displayname: 'inside' }), '5.3.7');
        expectRule(made, member(dave, dave, 'knock'), '5.7.1');
      }
      made.send(state('m.room.join_rules', alice, { join_rule: 'constructor' }));
      expectRule(made, member(bob, bob, 'join'), '5.3.7');
      made.send(state('m.room.join_rules', alice, { join_rule: 'public' }));
      expectRule(made, member(bob, bob, 'join'), 'allowed');
    });

    it('5.2, 5.3.5: takes the word of a member who may invite, if their server signed', () => {
      const made = populatedRoom(rules, 'restricted');
      const sent = (authoriser: JsonObject[string]): Sent =>
        member(dave, dave, 'join', { join_authorised_via_users_server: authoriser });
      const cosigned = (authoriser: string): RoomEvent => {
        const server = authoriser.split(':')[1]!;
        return addSignature(made.build(sent(authoriser)), rules, server, keyOf(rules.portable ? `${authoriser} at ${server}` : server));
      };
      for (const authoriser of [bob, alice, carol]) made.events.set(cosigned(authoriser).eventId, cosigned(authoriser));
      expect(made.verdict(cosigned(bob))).toBe('allowed');
      expect(made.verdict(cosigned(carol))).toBe(numbered('5.3.5.2')); // joined, but at level 0
      expectRule(made, sent(bob), rules.portable ? 'p5' : '5.2.1');
      expectRule(made, sent(5), '5.2.1');
      made.member(alice, bob, 'leave');
      expect(made.verdict(cosigned(bob))).toBe(numbered('5.3.5.2')); // may invite, but left
      // The signature is asked for in every membership event that names somebody.
      expectRule(made, member(carol, carol, 'leave', { join_authorised_via_users_server: alice }), rules.portable ? 'p5' : '5.2.1');
    });

    it('5.4: lets members with the level invite who is outside', () => {
      const made = populatedRoom(rules);
      expectRule(made, member(bob, dave, 'invite'), 'allowed');
      expectRule(made, member(carol, dave, 'invite'), '5.4.5');
      if (!rules.portable) expectRule(made, member(dave, '@eve:e.example', 'invite'), '5.4.2');
      expectRule(made, member(bob, carol, 'invite'), '5.4.3');
      made.member(bob, dave, 'ban');
      expectRule(made, member(bob, dave, 'invite'), '5.4.3');
      made.member(alice, bob, 'leave');
      expectRule(made, member(bob, '@eve:e.example', 'invite'), '5.4.2');
    });

    it('5.5: lets people leave from inside', () => {
      const made = populatedRoom(rules, 'knock');
      expectRule(made, member(carol, carol, 'leave'), 'allowed');
      expectRule(made, member(dave, dave, 'leave'), '5.5.1');
      made.member(dave, dave, 'knock');
      expectRule(made, member(dave, dave, 'leave'), 'allowed');
      made.member(alice, dave, 'invite');
      expectRule(made, member(dave, dave, 'leave'), 'allowed');
      made.member(alice, dave, 'ban');
      expectRule(made, member(dave, dave, 'leave'), '5.5.1');
    });

    it('5.5: lets members with a greater level kick and unban', () => {
      const made = populatedRoom(rules, 'public', { ban: 60 });
      expectRule(made, member(bob, carol, 'leave'), 'allowed');
      expectRule(made, member(carol, bob, 'leave'), '5.5.5');
      expectRule(made, member(bob, alice, 'leave'), '5.5.5');
      expectRule(made, member(bob, bob, 'leave'), 'allowed');
      if (!rules.portable) expectRule(made, member(dave, carol, 'leave'), '5.5.2');
      made.member(alice, carol, 'ban');
      expectRule(made, member(bob, carol, 'leave'), '5.5.3');
      expectRule(made, member(alice, carol, 'leave'), 'allowed');
      made.member(alice, bob, 'leave');
      expectRule(made, member(bob, carol, 'leave'), '5.5.2');
    });

    it('5.6: lets members with a greater level ban', () => {
      const made = populatedRoom(rules);
      expectRule(made, member(bob, carol, 'ban'), 'allowed');
      expectRule(made, member(bob, dave, 'ban'), 'allowed');
      expectRule(made, member(carol, dave, 'ban'), '5.6.3');
      expectRule(made, member(bob, alice, 'ban'), '5.6.3');
      expectRule(made, member(bob, bob, 'ban'), '5.6.3');
      made.member(alice, bob, 'leave');
      expectRule(made, member(bob, dave, 'ban'), '5.6.1');
    });

    it('5.7: lets outsiders knock where there is a door', () => {
      expectRule(populatedRoom(rules), member(dave, dave, 'knock'), '5.7.1');
      expectRule(populatedRoom(rules, 'restricted'), member(dave, dave, 'knock'), '5.7.1');
      expectRule(populatedRoom(rules, 'knock_restricted'), member(dave, dave, 'knock'), 'allowed');
      const made = populatedRoom(rules, 'knock');
      expectRule(made, member(dave, dave, 'knock'), 'allowed');
      expectRule(made, member(alice, carol, 'knock'), '5.7.2');
      expectRule(made, member(carol, carol, 'knock'), '5.7.4');
      made.member(alice, dave, 'invite');
      expectRule(made, member(dave, dave, 'knock'), '5.7.4');
      made.member(alice, dave, 'ban');
      expectRule(made, member(dave, dave, 'knock'), '5.7.4');
    });
  });

  it('6: lets only members speak', () => {
    const made = populatedRoom(rules, 'knock');
    const message = (sender: string): Sent => ({ type: 'm.room.message', sender });
    expectRule(made, message(carol), 'allowed');
    if (!rules.portable) expectRule(made, message(dave), '6');
    made.member(dave, dave, 'knock');
    expectRule(made, message(dave), '6');
    made.member(alice, dave, 'invite');
    expectRule(made, message(dave), '6');
    made.member(alice, carol, 'ban');
    expectRule(made, message(carol), '6');
  });

  it('7: asks for the invite level, and no other, for third-party invites', () => {
    const made = populatedRoom(rules, 'public', { invite: 50, events: { 'm.room.third_party_invite': 100 } });
    expectRule(made, state('m.room.third_party_invite', bob, {}, 't'), 'allowed');
    expectRule(made, state('m.room.third_party_invite', carol, {}, 't'), '7.1');
  });

  it('8: asks for the level of the event type', () => {
    const made = populatedRoom(rules, 'public', { events: { loud: 40, quiet: 60 }, events_default: 10, state_default: 50, users_default: 5 });
    expectRule(made, { type: 'loud', sender: bob }, 'allowed');
    expectRule(made, { type: 'quiet', sender: bob }, '8');
    expectRule(made, { type: 'quiet', sender: alice }, 'allowed');
    expectRule(made, { type: 'm.room.message', sender: carol }, '8');
    expectRule(made, { type: 'constructor', sender: carol }, '8');
    expectRule(made, state('m.room.topic', bob), 'allowed');
    expectRule(made, state('m.room.topic', carol), '8');
    const bare = RoomFixture.founded(rules, alice);
    bare.send(state('m.room.join_rules', alice, { join_rule: 'public' })); // the creator, without power levels
    bare.join(bob);
    expectRule(bare, { type: 'm.room.message', sender: bob }, 'allowed');
    expectRule(bare, state('m.room.topic', bob), '8');
  });

  it('9: keeps state under a user id to that user', () => {
    const made = populatedRoom(rules);
    expectRule(made, state('x', bob, {}, bob), 'allowed');
    expectRule(made, state('x', bob, {}, `@`), '9');
    expectRule(made, state('x', alice, {}, bob), '9');
    expectRule(made, state('x', bob, {}, `x${alice}`), 'allowed');
  });
});
