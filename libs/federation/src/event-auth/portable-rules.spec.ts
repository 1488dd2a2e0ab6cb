import { addSignature, type JsonObject } from '../events/index.js';
import { genesisHash, signHomeRecord, type HomeRecord } from '../home-record/index.js';
import { roomVersion } from '../room-versions/index.js';
import { signJson } from '../signing/index.js';
import { keyOf, recordFor, RoomFixture, type Sent } from './room-fixture.js';

const rules = roomVersion('io.partyline.1')!;
const alice = '@alice:a.example';
const bob = '@bob:b.example';
const carol = '@carol:c.example';

/** Alice's public room; bob's record lists two homes, b1 and b2, with number 2. */
function room(create: JsonObject = {}): RoomFixture {
  const made = RoomFixture.founded(rules, alice, create);
  made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
  made.records.set(bob, recordFor(bob, 2, ['b1.example', 'b2.example']));
  made.join(bob);
  return made;
}

const own = (userId: string, record: Sent['record'], more: Partial<Sent> = {}): Sent =>
  ({ type: 'm.room.member', sender: userId, stateKey: userId, content: { membership: 'join' }, record: record!, ...more });
const of = (sender: string, target: string, membership: string, more: Partial<Sent> = {}): Sent =>
  ({ type: 'm.room.member', sender, stateKey: target, content: { membership, ...more.content }, ...(({ content: _, ...rest }) => rest)(more) });
const message = (sender: string, home?: string): Sent => ({ type: 'm.room.message', sender, ...(home && { home }) });

describe('p1: a home of the sender acts', () => {
  it('allows every home of the record in the state, and no other', () => {
    const made = room();
    expect(made.try(message(bob, 'b1.example'))).toBe('allowed');
    expect(made.try(message(bob, 'b2.example'))).toBe('allowed');
    expect(made.try(message(bob, 'b.example'))).toBe('p1');
    expect(made.try(message(carol))).toBe('p1');
  });

  it('asks for that home\'s signature with the key of the record', () => {
    const made = room();
    const event = made.build(message(bob, 'b1.example'));
    const signatures = event.pdu.signatures;
    const verdict = (change: Partial<typeof event.pdu>): string => made.verdict({ ...event, pdu: { ...event.pdu, ...change } });
    expect(verdict({})).toBe('allowed');
    expect(verdict({ signatures: {} })).toBe('p1');
    expect(verdict({ signatures: { 'b2.example': signatures['b1.example']! } })).toBe('p1');
    expect(verdict({ home: 'b2.example' })).toBe('p1');
    expect(verdict({ home: undefined })).toBe('p1');
    const forged = addSignature({ ...event, pdu: { ...event.pdu, signatures: {} } }, rules, 'b1.example', keyOf(`${bob} at evil.example`));
    expect(made.verdict(forged)).toBe('p1');
  });

  it('checks a member event of its own subject against the record that it carries', () => {
    const made = room();
    const moved = recordFor(bob, 3, ['b3.example']);
    expect(made.try(own(bob, moved, { home: 'b3.example' }))).toBe('allowed');
    expect(made.try(own(bob, moved, { home: 'b1.example' }))).toBe('p1');
    expect(made.try(own(carol, recordFor(carol, 0, ['c.example']), { home: 'b1.example' }))).toBe('p1');
  });

  it('checks the create event against its own record', () => {
    const made = RoomFixture.unfounded(rules);
    expect(made.try(made.createOf(alice))).toBe('allowed');
    expect(made.try({ ...made.createOf(alice), home: 'b.example' })).toBe('p1');
    expect(made.try({ ...made.createOf(alice), record: null })).toBe('p2');
    expect(made.try({ ...made.createOf(alice), record: recordFor(bob, 0, ['a.example']) })).toBe('p2');
  });

  it('refuses a home from the moment that it is dropped', () => {
    const made = room();
    made.send(own(bob, recordFor(bob, 3, ['b2.example']), { home: 'b2.example' }));
    expect(made.try(message(bob, 'b1.example'))).toBe('p1');
    expect(made.try(message(bob, 'b2.example'))).toBe('allowed');
    expect(made.try(own(bob, recordFor(bob, 2, ['b1.example', 'b2.example']), { home: 'b1.example' }))).toBe('p3');
    expect(made.try(own(bob, recordFor(bob, 3, ['b2.example']), { home: 'b1.example' }))).toBe('p1');
    const leave = { ...own(bob, recordFor(bob, 2, ['b1.example', 'b2.example']), { home: 'b1.example' }), content: { membership: 'leave' } };
    expect(made.try(leave)).toBe('p3');
  });

  describe('invites with a third party\'s signature', () => {
    const key = keyOf('card');
    const vouched = (target: string, by = key): Partial<Sent> => ({
      home: 'replica.example',
      content: { third_party_invite: { display_name: 'd', signed: signJson({ mxid: target, token: 't' }, 'card', by) as unknown as JsonObject } },
    });
    const invited = (): RoomFixture => {
      const made = room();
      made.send({ type: 'm.room.third_party_invite', sender: alice, stateKey: 't', content: { public_key: key.publicKey } });
      return made;
    };

    it('may come from any replica', () => {
      expect(invited().try(of(alice, carol, 'invite', vouched(carol)))).toBe('allowed');
    });

    it('must be signed by the third party instead', () => {
      expect(invited().try(of(alice, carol, 'invite', vouched(carol, keyOf('other'))))).toBe('5.4.1.8');
      expect(invited().try(of(alice, carol, 'invite', { home: 'replica.example' }))).toBe('p1');
      expect(invited().try(of(alice, carol, 'ban', vouched(carol)))).toBe('p1');
    });

    it('cannot be sent again to put a member back among the invited', () => {
      const made = invited();
      made.add(made.build(of(alice, carol, 'invite', vouched(carol))));
      made.join(carol);
      expect(made.try(of(alice, carol, 'invite', vouched(carol)))).toBe('p1');
    });

    it('names nobody, turns no invitation and takes no release back: that takes the inviter\'s home', () => {
      const [real, other] = [recordFor(carol, 0, ['c.example']), recordFor(carol, 0, ['evil.example'], {}, 'second')];
      const named = { genesis_sha256: genesisHash(other.genesis) };
      const forged = (content: JsonObject = {}): Sent => of(alice, carol, 'invite', { ...vouched(carol), content: { ...vouched(carol).content, ...content } });
      expect(invited().try(forged(named))).toBe('p1');
      const bySomebody = invited();
      bySomebody.send(of(alice, carol, 'invite', { content: { genesis_sha256: genesisHash(real.genesis) } }));
      expect(bySomebody.try(forged(named))).toBe('p1');
      expect(bySomebody.try(forged())).toBe('p1');
      expect(bySomebody.try({ ...forged(named), home: 'a.example' })).toBe('allowed');
      const released = invited();
      released.send(own(carol, other, { home: 'evil.example' }));
      released.send(of(alice, carol, 'leave', { content: { 'io.partyline.release': true }, record: other }));
      expect(released.try({ ...forged(), record: other })).toBe('p1');
    });
  });
});

describe('p2: what a user publishes about themselves carries a valid record', () => {
  const valid = recordFor(carol, 0, ['c.example']);
  it.each<[string, string, Sent['record']]>([
    ['a valid one', 'allowed', valid],
    ['none', 'p2', null],
    ['a malformed one', 'p2', { ...valid, homes: 'all' } as unknown as JsonObject],
    ['one that somebody changed', 'p2', { ...valid, seq: 1 }],
    ['one signed by another key', 'p2', signHomeRecord(valid, keyOf('x').sign)],
    ['one of another user', 'p2', recordFor(bob, 0, ['c.example'])],
    ['one whose name is not the genesis\'', 'p2', signHomeRecord({ ...valid, genesis: { ...valid.genesis, label: 'bob' } }, keyOf(`${carol} account first`).sign)],
  ])('%s: %s', (_what, verdict, record) => {
    const made = room();
    for (const membership of ['join', 'knock']) {
      const sent = { ...own(carol, record), content: { membership } };
      expect(made.try(sent)).toBe(verdict === 'allowed' && membership === 'knock' ? '5.7.1' : verdict);
    }
  });

  it('asks for it in declining an invite as well', () => {
    const made = room();
    made.send(of(alice, carol, 'invite'));
    expect(made.try({ ...own(carol, valid), content: { membership: 'leave' } })).toBe('allowed');
    expect(made.try({ ...own(carol, null), content: { membership: 'leave' } })).toBe('p2');
  });
});

describe('p3: the record only goes forward', () => {
  const homes = ['b1.example', 'b2.example'];
  it.each<[string, string, HomeRecord]>([
    ['the same', 'allowed', recordFor(bob, 2, homes)],
    ['a higher one', 'allowed', recordFor(bob, 9, homes)],
    ['a lower one', 'p3', recordFor(bob, 1, homes)],
    ['another one with the same number (equivocation)', 'p3', recordFor(bob, 2, [...homes, 'b3.example'])],
    ['a higher one of a second genesis', 'p3', recordFor(bob, 9, homes, {}, 'second')],
  ])('%s: %s', (_what, verdict, record) => {
    expect(room().try(own(bob, record, { home: 'b1.example' }))).toBe(verdict);
  });

  it('is carried along by kicks and bans, and holds when the user comes back', () => {
    for (const membership of ['leave', 'ban']) {
      const made = room();
      expect(made.try(of(alice, bob, membership, { record: null }))).toBe('p3');
      expect(made.try(of(alice, bob, membership, { record: recordFor(bob, 1, homes) }))).toBe('p3');
      made.send(of(alice, bob, membership));
      if (membership === 'ban') {
        expect(made.try(of(alice, bob, 'leave', { record: null }))).toBe('p3');
        made.send(of(alice, bob, 'leave'));
      }
      expect(made.try(own(bob, recordFor(bob, 1, homes), { home: 'b1.example' }))).toBe('p3');
      expect(made.try(own(bob, recordFor(bob, 3, homes, {}, 'second'), { home: 'b1.example' }))).toBe('p3');
      expect(made.try(own(bob, recordFor(bob, 2, homes), { home: 'b1.example' }))).toBe('allowed');
    }
  });

  it('lets nobody but its bearer bring a higher record, or the first one', () => {
    for (const membership of ['leave', 'ban', 'invite']) expect(room().try(of(alice, bob, membership, { record: recordFor(bob, 3, homes) }))).toBe('p3');
    expect(room().try(of(alice, bob, 'leave', { record: recordFor(carol, 3, homes) }))).toBe('p2');
    expect(room().try(of(alice, carol, 'invite'))).toBe('allowed');
    expect(room().try(of(alice, carol, 'invite', { record: recordFor(carol, 0, ['c.example'], {}, 'second') }))).toBe('p3');
  });

  it('counts the create event as the creator\'s first record', () => {
    const made = RoomFixture.unfounded(rules);
    made.send(made.createOf(alice));
    expect(made.try(own(alice, recordFor(alice, 0, ['a.example'])))).toBe('allowed');
    expect(made.try(own(alice, recordFor(alice, 1, ['evil.example'], {}, 'second'), { home: 'evil.example' }))).toBe('p3');
  });

  it('lets the recovery key take the account back from a stolen account key', () => {
    const made = room();
    const thief = recordFor(bob, 900, ['evil.example']);
    made.send(own(bob, thief, { home: 'evil.example' }));
    const { publicKey, sign } = keyOf('new account key');
    const cert = { account_key: publicKey, epoch: 1 };
    const { signature: _, ...unsigned } = recordFor(bob, 3, homes);
    const recovered = signHomeRecord({
      ...unsigned, epoch: 1, account_key_cert: { ...cert, signature: keyOf(`${bob} recovery first`).sign(JSON.stringify(cert)) },
    }, sign);
    made.send(own(bob, recovered, { home: 'b1.example' }));
    expect(made.try(message(bob, 'evil.example'))).toBe('p1');
    expect(made.try(own(bob, recordFor(bob, 901, ['evil.example']), { home: 'evil.example' }))).toBe('p3');
  });
});

describe('p5: homes where Matrix looks at domains', () => {
  it('keeps a room that does not federate to the creator\'s homes', () => {
    const made = RoomFixture.founded(rules, alice, { 'm.federate': false });
    made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'public' } });
    expect(made.try(own(bob, recordFor(bob, 0, ['a.example']), { home: 'a.example' }))).toBe('allowed');
    expect(made.try(own(bob, recordFor(bob, 0, ['b.example']), { home: 'b.example' }))).toBe('p5');
    expect(made.try(own('@eve:a.example', recordFor('@eve:a.example', 0, ['e.example']), { home: 'e.example' }))).toBe('p5');
    made.send(own(alice, recordFor(alice, 1, ['new.example']), { home: 'new.example' }));
    expect(made.try(message(alice, 'new.example'))).toBe('allowed');
  });

  it('lets any home of the authorising user sign a restricted join, with the key of the record', () => {
    const made = room();
    made.send({ type: 'm.room.join_rules', sender: alice, stateKey: '', content: { join_rule: 'restricted' } });
    const join = made.build({ ...own(carol, recordFor(carol, 0, ['c.example'])), content: { membership: 'join', join_authorised_via_users_server: bob } });
    expect(made.verdict(join)).toBe('p5');
    for (const home of ['b1.example', 'b2.example']) {
      expect(made.verdict(addSignature(join, rules, home, keyOf(`${bob} at ${home}`)))).toBe('allowed');
      expect(made.verdict(addSignature(join, rules, home, keyOf(home)))).toBe('p5');
    }
    expect(made.verdict(addSignature(join, rules, 'b.example', keyOf(`${bob} at b.example`)))).toBe('p5');
  });
});
