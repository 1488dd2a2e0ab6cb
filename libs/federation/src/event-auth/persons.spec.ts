import type { JsonObject } from '../events/index.js';
import { genesisHash, type HomeRecord } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { powerLevelsOf } from './index.js';
import { genesisOf, recordFor, RoomFixture, type Sent } from './room-fixture.js';

// Portable rooms, protocol §3 rules 4 and 6: carriers of records, and whom invitations, levels and names mean.

const rules = roomVersion('io.partyline.1')!;
const [alice, bob, carol, dave] = ['@alice:a.example', '@bob:b.example', '@carol:c.example', '@dave:d.example'] as const;
const hash = (userId: string, founding = 'first'): string => genesisHash(genesisOf(userId, founding));
const own = (userId: string, membership: string, record: HomeRecord, content: JsonObject = {}): Sent =>
  ({ type: 'm.room.member', sender: userId, stateKey: userId, content: { membership, ...content }, record, home: record.homes[0]?.server_name });
const of = (sender: string, target: string, membership: string, content: JsonObject = {}): Sent =>
  ({ type: 'm.room.member', sender, stateKey: target, content: { membership, ...content } });
const impostor = recordFor(carol, 0, ['evil.example'], {}, 'second');
const real = recordFor(carol, 0, ['c.example']);

/** Bob (50) is in; carol and dave are outside. */
function room(joinRule = 'public', levels: JsonObject = {}): RoomFixture {
  const made = RoomFixture.founded(rules, alice);
  const set = (type: string, content: JsonObject): void => void made.send({ type, sender: alice, stateKey: '', content });
  set('m.room.power_levels', { users: { [bob]: 50, [carol]: 90 }, invite: 0, ...levels });
  set('m.room.join_rules', { join_rule: 'public' });
  made.join(bob);
  if (joinRule !== 'public') set('m.room.join_rules', { join_rule: joinRule });
  return made;
}

describe('an event that carries a record', () => {
  const next = recordFor(bob, 1, ['b.example', 'b2.example']);
  const carries = (membership: string, record = next): Sent => own(bob, membership, record, { 'io.partyline.carries': true });

  it('leaves the membership as it is', () => {
    const made = room();
    expect(made.try(carries('join'))).toBe('allowed');
    expect(made.try(carries('leave'))).toBe('p4');
    made.member(alice, bob, 'leave');
    expect(made.try(carries('join'))).toBe('p4');
    expect(made.try(own(bob, 'join', next))).toBe('allowed');
    made.member(alice, bob, 'ban');
    for (const membership of ['join', 'leave', 'ban']) expect(made.try(carries(membership))).toBe('p4');
  });

  it('is a second leave only with a higher record, and never somebody else\'s', () => {
    const made = room();
    made.member(bob, bob, 'leave');
    expect(made.try(carries('leave'))).toBe('allowed');
    expect(made.try(carries('leave', recordFor(bob, 0, ['b.example'])))).toBe('p4');
    expect(made.try(own(bob, 'leave', next))).toBe('5.5.1');
    expect(made.try(of(alice, bob, 'leave', { 'io.partyline.carries': true }))).toBe('p4');
  });
});

describe('the end of an account', () => {
  const { homes } = recordFor(bob, 0, ['b.example']);
  const last = recordFor(bob, 1, [], { deactivated: true, retired: homes.map(({ server_name, key_id, key }) => ({ server_name, key_id, key })) });
  it('is a leave by a home of the record in the room, and the genesis\' last word', () => {
    const made = room();
    const end = { ...own(bob, 'leave', last), home: 'b.example' };
    expect(made.try({ ...end, home: 'b2.example' })).toBe('p1');
    expect(made.try({ ...end, content: { membership: 'join' } })).toBe('p2');
    made.send(end);
    expect(made.try(own(bob, 'join', recordFor(bob, 2, ['b.example'])))).toBe('p3');
    expect(made.try({ type: 'm.room.message', sender: bob, home: 'b.example' })).toBe('p1');
  });
});

describe('an invitation', () => {
  it('means the person whom it names, and is none to another bearer of the name', () => {
    const made = room('invite');
    made.send(of(bob, carol, 'invite', { genesis_sha256: hash(carol) }));
    expect(made.try(own(carol, 'join', real))).toBe('allowed');
    expect(made.try(own(carol, 'join', impostor))).toBe('5.3.7');
    expect(made.try(own(carol, 'leave', impostor))).toBe('5.5.1');
    expect(made.try(own(carol, 'leave', real))).toBe('allowed');
  });

  it('does not refuse a join that the room allows anyway', () => {
    const made = room();
    made.send(of(bob, carol, 'invite', { genesis_sha256: hash(carol) }));
    expect(made.try(own(carol, 'join', impostor))).toBe('allowed');
  });

  it('is turned to another genesis only by who may ban', () => {
    const made = room('public', { ban: 60 });
    made.send(of(bob, carol, 'invite', { genesis_sha256: hash(carol) }));
    expect(made.try(of(bob, carol, 'invite', { genesis_sha256: hash(carol) }))).toBe('allowed');
    for (const content of [{}, { genesis_sha256: hash(carol, 'second') }] as JsonObject[]) {
      expect(made.try(of(bob, carol, 'invite', content))).toBe('p6');
      expect(made.try(of(alice, carol, 'invite', content))).toBe('allowed');
    }
  });

  it('is of the person whom the room knows', () => {
    const made = room();
    made.member(bob, bob, 'leave');
    expect(made.try(of(alice, bob, 'invite', { genesis_sha256: hash(bob, 'second') }))).toBe('p6');
    expect(made.try(of(alice, bob, 'invite', { genesis_sha256: hash(bob) }))).toBe('allowed');
  });
});

describe('power', () => {
  const level = (made: RoomFixture, userId: string): number => powerLevelsOf(made.reader, rules).user(userId);

  it('is that of the genesis which the levels name', () => {
    const [honest, fooled] = [room(), room()];
    honest.send(own(carol, 'join', real));
    fooled.send(own(carol, 'join', impostor));
    expect([level(honest, carol), level(fooled, carol), level(fooled, bob)]).toEqual([90, 0, 50]);
    expect(fooled.try({ type: 'm.room.topic', sender: carol, stateKey: '', home: 'evil.example' })).not.toBe('allowed');
  });

  it('counts for nobody who is not named, unless it is no more than everybody has', () => {
    const made = room('public', { 'io.partyline.genesis': {}, users: { [bob]: 50, [dave]: -5 } });
    made.join(dave);
    expect([level(made, bob), level(made, dave), level(made, alice)]).toEqual([0, -5, Infinity]);
  });

  it('of creators is theirs, whoever bears the name', () => {
    const made = RoomFixture.founded(rules, alice, { additional_creators: [bob] });
    made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
    const other = made.fork();
    made.join(bob);
    other.send(own(bob, 'join', recordFor(bob, 0, ['evil.example'], {}, 'second')));
    expect([level(made, bob), level(other, bob)]).toEqual([Infinity, 0]);
  });

  it('is not turned to another genesis by somebody below', () => {
    const made = room('public', { users: { [bob]: 50, [carol]: 90 }, events: { 'm.room.power_levels': 50 } });
    const levels = (geneses: JsonObject): Sent => ({ type: 'm.room.power_levels', sender: bob, stateKey: '', content: {
      users: { [bob]: 50, [carol]: 90 }, invite: 0, events: { 'm.room.power_levels': 50 }, 'io.partyline.genesis': geneses,
    } });
    expect(made.try(levels({ [bob]: hash(bob), [carol]: hash(carol) }))).toBe('allowed');
    expect(made.try(levels({ [bob]: hash(bob), [carol]: hash(carol, 'second') }))).toBe('p6');
    expect(made.try(levels({ [bob]: hash(bob) }))).toBe('p6');
  });
});

describe('releasing a name', () => {
  const release = { 'io.partyline.release': true };
  function taken(): RoomFixture {
    const made = room();
    made.send(own(carol, 'join', impostor));
    return made;
  }

  it('is a kick by who may ban, with a higher level than the genesis has', () => {
    const made = room('public', { ban: 60, kick: 0 });
    made.send(own(carol, 'join', impostor));
    expect(made.try(of(bob, carol, 'leave', release))).toBe('p6');
    expect(made.try(of(alice, carol, 'leave', release))).toBe('allowed');
    expect(made.try(of(alice, carol, 'ban', release))).toBe('p6');
    expect(made.try(of(alice, dave, 'leave', release))).toBe('p6');
    expect(made.try({ ...own(carol, 'leave', impostor), content: { membership: 'leave', ...release } })).toBe('p6');
  });

  it('bars the genesis and lets another one in', () => {
    const made = taken();
    expect(made.try(own(carol, 'join', real))).toBe('p3');
    made.send(of(alice, carol, 'leave', release));
    for (const seq of [0, 5]) expect(made.try(own(carol, 'join', recordFor(carol, seq, ['evil.example'], {}, 'second')))).toBe('p6');
    made.send(of(alice, carol, 'invite', { ...release, genesis_sha256: hash(carol) }));
    made.send(own(carol, 'join', real));
    expect(made.try(own(carol, 'join', recordFor(carol, 9, ['evil.example'], {}, 'second')))).toBe('p3');
  });

  it('is kept by who may not ban, and taken back by who may, with the record that was kept', () => {
    const made = room('public', { ban: 60 });
    made.send(own(carol, 'join', recordFor(carol, 3, ['c.example'])));
    made.send(of(alice, carol, 'leave', release));
    expect(made.try(of(bob, carol, 'invite'))).toBe('p6');
    expect(made.try(of(bob, carol, 'invite', release))).toBe('allowed');
    made.send(of(alice, carol, 'leave'));
    expect(made.try(own(carol, 'join', real))).toBe('p3');
    expect(made.try(own(carol, 'join', recordFor(carol, 3, ['c.example'])))).toBe('allowed');
  });
});
