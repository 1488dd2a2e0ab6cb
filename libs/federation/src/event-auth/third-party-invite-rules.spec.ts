import type { JsonObject } from '../events/index.js';
import { roomVersions } from '../room-versions/index.js';
import { signJson } from '../signing/index.js';
import { alice, bob, dave, member, populatedRoom, ruleNumberIn, state } from './populated-room.js';
import { keyOf, type RoomFixture, type Sent } from './room-fixture.js';

// What differs before version 10 is in older-versions.spec.ts.
const versions = roomVersions.filter((rules) => rules.integerPowerLevels);

describe.each(versions.map((rules) => [rules.id, rules] as const))('third-party invites (rule 5.4.1) in room version %s', (_id, rules) => {
  const expectRule = (made: RoomFixture, sent: Sent, rule: string): void => {
    expect(made.try(sent)).toBe(ruleNumberIn(rules, rule));
  };
  const key = keyOf('invitation');
  const sign = (mxid: string, token: string, by = key): JsonObject => ({
    third_party_invite: { display_name: 'd', signed: signJson({ mxid, token }, 'id.example', by) as unknown as JsonObject },
  });
  const invited = (content: JsonObject): RoomFixture => {
    const made = populatedRoom(rules);
    made.send(state('m.room.third_party_invite', bob, content, 'token'));
    return made;
  };

  it('allows one signed with the key of the invitation, or one of its keys', () => {
    expectRule(invited({ public_key: key.publicKey }), member(bob, dave, 'invite', sign(dave, 'token')), 'allowed');
    const list: JsonObject = { public_key: keyOf('x').publicKey, public_keys: [{}, { public_key: 5 }, { public_key: key.publicKey }] };
    expectRule(invited(list), member(bob, dave, 'invite', sign(dave, 'token')), 'allowed');
  });

  it('reads none of the keys where the list of them is none', () => {
    for (const odd of [null, 'x', {}]) {
      expectRule(invited({ public_key: key.publicKey, public_keys: odd }), member(bob, dave, 'invite', sign(dave, 'token')), '5.4.1.8');
    }
  });

  it('refuses everything else', () => {
    const made = invited({ public_key: key.publicKey });
    expectRule(made, member(bob, dave, 'invite', { third_party_invite: {} }), '5.4.1.2');
    expectRule(made, member(bob, dave, 'invite', { third_party_invite: 'x' }), '5.4.1.2');
    expectRule(made, member(bob, dave, 'invite', { third_party_invite: { signed: { mxid: dave } } }), '5.4.1.3');
    expectRule(made, member(bob, dave, 'invite', { third_party_invite: { signed: { token: 'token' } } }), '5.4.1.3');
    expectRule(made, member(bob, dave, 'invite', sign('@eve:e.example', 'token')), '5.4.1.4');
    expectRule(made, member(bob, dave, 'invite', sign(dave, 'other')), '5.4.1.5');
    expectRule(made, member(alice, dave, 'invite', sign(dave, 'token')), '5.4.1.6');
    expectRule(made, member(bob, dave, 'invite', sign(dave, 'token', keyOf('other'))), '5.4.1.8');
    expectRule(made, member(bob, dave, 'invite', { third_party_invite: { signed: { mxid: dave, token: 'token' } } }), '5.4.1.8');
    expectRule(invited({}), member(bob, dave, 'invite', sign(dave, 'token')), '5.4.1.8');
    made.member(alice, dave, 'ban');
    expectRule(made, member(bob, dave, 'invite', sign(dave, 'token')), '5.4.1.1');
  });

  it('gives up among too many signatures and keys instead of verifying all pairs', () => {
    const keys = Array.from({ length: 300 }, (_, i) => ({ public_key: keyOf(`other ${i}`).publicKey }));
    const many = invited({ public_keys: [...keys, { public_key: key.publicKey }] });
    expectRule(many, member(bob, dave, 'invite', sign(dave, 'token')), '5.4.1.8');
  });
});
