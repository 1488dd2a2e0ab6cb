import { roomVersion, roomVersions } from '../room-versions/index.js';
import { redactPdu } from './index.js';
import type { JsonObject, Pdu } from '../events/index.js';

const version = (id: string) => roomVersion(id)!;
const pdu = (type: string, content: JsonObject, more: JsonObject = {}): Pdu => ({
  type, content, room_id: '!r:a', sender: '@u:a', state_key: '', origin_server_ts: 1, depth: 2, prev_events: ['$p'],
  auth_events: ['$a'], hashes: { sha256: 'h' }, signatures: { a: { k: 's' } }, ...more,
});
const contentAfter = (id: string, type: string, content: JsonObject) => redactPdu(pdu(type, content), version(id)).content;

describe('redactPdu', () => {
  it.each(roomVersions.map((rules) => [rules.id, rules] as const))('keeps the envelope in version %s', (_, rules) => {
    const before = pdu('m.room.message', { body: 'x' }, { unsigned: {}, redacts: '$x', extra: 1, txn: 't' });
    expect(redactPdu(before, rules)).toEqual(pdu('m.room.message', {}));
    expect(before.content).toEqual({ body: 'x' });
  });

  it('keeps what old servers put at the top level until version 11', () => {
    const more = { origin: 'a', membership: 'join', prev_state: [] };
    expect(redactPdu(pdu('x', {}, more), version('10'))).toEqual(pdu('x', {}, more));
    expect(redactPdu(pdu('x', {}, more), version('11'))).toEqual(pdu('x', {}));
  });

  it('keeps home in portable rooms only, and txn nowhere', () => {
    const more = { home: 'b', txn: 't' };
    expect(redactPdu(pdu('x', {}, more), version('io.partyline.1'))).toEqual(pdu('x', {}, { home: 'b' }));
    expect(redactPdu(pdu('x', {}, more), version('12'))).toEqual(pdu('x', {}));
  });

  it('keeps of members what the version says', () => {
    const content = {
      membership: 'invite', displayname: 'U', join_authorised_via_users_server: '@b:b', home_record: { seq: 1 },
      third_party_invite: { display_name: 'x', signed: { token: 't' } },
    };
    const v10 = { membership: 'invite', join_authorised_via_users_server: '@b:b' };
    const v11 = { ...v10, third_party_invite: { signed: { token: 't' } } };
    expect(contentAfter('10', 'm.room.member', content)).toEqual(v10);
    expect(contentAfter('11', 'm.room.member', content)).toEqual(v11);
    expect(contentAfter('12', 'm.room.member', content)).toEqual(v11);
    expect(contentAfter('io.partyline.1', 'm.room.member', content)).toEqual({ ...v11, home_record: { seq: 1 } });
  });

  it('keeps an empty third-party invite, and none that is no object', () => {
    expect(contentAfter('11', 'm.room.member', { third_party_invite: { display_name: 'x' } })).toEqual({ third_party_invite: {} });
    for (const odd of ['text', null, 5, [{ signed: 1 }]]) {
      expect(contentAfter('11', 'm.room.member', { third_party_invite: odd })).toEqual({});
    }
  });

  it('keeps all of a create event from version 11 on', () => {
    const content = { creator: '@u:a', room_version: '11', predecessor: { room_id: '!o:a' }, home_record: { seq: 0 } };
    expect(contentAfter('10', 'm.room.create', content)).toEqual({ creator: '@u:a' });
    for (const id of ['11', '12', 'io.partyline.1']) expect(contentAfter(id, 'm.room.create', content)).toEqual(content);
  });

  it('keeps power levels, and the invite level from version 11 on', () => {
    const kept = {
      ban: 1, events: {}, events_default: 2, kick: 3, redact: 4, state_default: 5, users: { '@u:a': 6 }, users_default: 7,
    };
    const content = { ...kept, invite: 8, notifications: { room: 9 }, historical: 10 };
    expect(contentAfter('10', 'm.room.power_levels', content)).toEqual(kept);
    expect(contentAfter('11', 'm.room.power_levels', content)).toEqual({ ...kept, invite: 8 });
  });

  it.each([
    ['m.room.join_rules', { join_rule: 'restricted', allow: [{}], x: 1 }, { join_rule: 'restricted', allow: [{}] }],
    ['m.room.history_visibility', { history_visibility: 'joined', x: 1 }, { history_visibility: 'joined' }],
    ['m.room.aliases', { aliases: ['#a:a'] }, {}],
    ['m.room.name', { name: 'n' }, {}],
  ])('keeps of %s from version 9 on the same', (type, content, kept) => {
    for (const { id } of roomVersions.filter((rules) => Number(rules.id) > 8 || rules.portable)) expect(contentAfter(id, type, content as JsonObject)).toEqual(kept);
  });

  it('keeps what a redaction redacts from version 11 on', () => {
    expect(contentAfter('10', 'm.room.redaction', { redacts: '$x', reason: 'r' })).toEqual({});
    expect(contentAfter('11', 'm.room.redaction', { redacts: '$x', reason: 'r' })).toEqual({ redacts: '$x' });
  });

  it('does not take inherited members for content', () => {
    expect(contentAfter('11', 'constructor', { a: 1 })).toEqual({});
    expect(Object.keys(contentAfter('11', 'm.room.member', {}))).toEqual([]);
  });
});

it('knows the twelve room versions of Matrix, its own, and no others', () => {
  const standard = Array.from({ length: 12 }, (_, i) => [String(i + 1), true]);
  expect(roomVersions.map(({ id, stable }) => [id, stable])).toEqual([...standard, ['io.partyline.1', false]]);
  expect(roomVersion('13')).toBeUndefined();
  expect(roomVersion('constructor')).toBeUndefined();
});
