import { roomVersion } from '../room-versions/index.js';
import { mayRedact, powerLevelsOf, stateOf } from './index.js';
import { RoomFixture } from './room-fixture.js';

const alice = '@alice:a.example';

describe.each(['10', '11', '12', 'io.partyline.1'])('in room version %s', (id) => {
  const rules = roomVersion(id)!;
  const room = RoomFixture.founded(rules, alice);
  room.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  for (const user of ['@bob:b.example', '@ben:b.example', '@carol:c.example']) room.join(user);
  const target = room.send({ type: 'm.room.message', sender: '@bob:b.example' });
  const redaction = (sender: string) => room.build({ type: 'm.room.redaction', sender, content: { redacts: target.eventId } });
  const may = (sender: string): boolean => mayRedact(redaction(sender), target, room.reader, rules);

  it('redacts one\'s own, or with the level', () => {
    expect(may('@bob:b.example')).toBe(true);
    expect(may(alice)).toBe(true);
    expect(may('@carol:c.example')).toBe(false);
  });

  it('takes the same domain for one\'s own only where domains mean something', () => {
    expect(may('@ben:b.example')).toBe(!rules.portable);
  });

  it('does not reach into another room', () => {
    expect(mayRedact({ ...redaction(alice), roomId: '!other:a.example' }, target, room.reader, rules)).toBe(false);
  });

  it('does not take the event that made the room', () => {
    const create = room.reader.get('m.room.create', '')!;
    expect(mayRedact(room.build({ type: 'm.room.redaction', sender: alice, content: { redacts: create.eventId } }), create, room.reader, rules)).toBe(false);
  });

  it('knows the creator\'s level and the defaults', () => {
    const levels = powerLevelsOf(room.reader, rules);
    expect(levels.user(alice)).toBe(rules.privilegedCreators ? Infinity : 100);
    expect(levels.user('@bob:b.example')).toBe(0);
    expect(levels.user('constructor')).toBe(0);
    expect([levels.ban, levels.kick, levels.redact, levels.invite, levels.notifications.room]).toEqual([50, 50, 50, 0, 50]);
    expect([levels.event('x', true), levels.event('x', false), levels.event('constructor', false)]).toEqual([50, 0, 0]);
    expect(powerLevelsOf(stateOf([]), rules).user(alice)).toBe(0);
  });
});
