import { roomVersion, type JsonObject, type RoomEvent } from '#federation';
import { RoomState } from './room-state.js';
import { bytesOf, keptEntry, placed } from './state-entry.js';

const rules = roomVersion('11')!;
const roomId = '!room:example.org';
const text = (bytes: number): string => 'x'.repeat(bytes);

function event(type: string, stateKey: string, content: JsonObject): RoomEvent {
  const pdu = {
    type, room_id: roomId, sender: '@alice:example.org', state_key: stateKey, content, origin_server_ts: 1, depth: 2, prev_events: ['$before'],
    auth_events: ['$create'], hashes: { sha256: 'hash' }, signatures: { 'example.org': { 'ed25519:1': text(5_000) } },
  };
  return { eventId: `$${type} ${stateKey}`, roomId, pdu, json: JSON.stringify(pdu) };
}

describe('what is kept of a state event in memory', () => {
  it('is all of a small one, and of what the server looks into, whatever its size', () => {
    const small = { nid: 1, event: { ...event('org.example.any', 'key', { a: 1 }), json: text(4_096) } };
    expect(keptEntry(small, rules)).toBe(small);
    for (const type of ['m.room.create', 'm.room.power_levels', 'm.room.name']) {
      const entry = { nid: 2, event: event(type, '', { text: text(50_000) }) };
      expect(keptEntry(entry, rules)).toBe(entry);
    }
    const portable = { nid: 3, event: event('m.room.member', '@bob:example.org', { membership: 'join', home_record: { text: text(5_000) } }) };
    expect(keptEntry(portable, roomVersion('io.partyline.1')!)).toBe(portable);
  });

  it.each([
    ['m.room.member', { membership: 'join', displayname: 'Bob', avatar_url: text(1_001), other: text(50_000) }, { membership: 'join', displayname: 'Bob' }],
    ['m.room.third_party_invite', { public_key: 'key', public_keys: [{ public_key: 'k1' }, { public_key: text(2_000) }], other: 1 }, { public_key: 'key', public_keys: [{ public_key: 'k1' }] }],
    ['m.space.child', { via: ['example.org', text(1_001)], suggested: true, order: 'a', other: text(50_000) }, { via: ['example.org'], suggested: true, order: 'a' }],
    ['org.example.any', { text: text(50_000), small: 1 }, {}],
  ])('is what the rules ask for of a large %s', (type, content, kept) => {
    const whole = event(type, 'key', content);
    const entry = keptEntry({ nid: 4, event: whole }, rules);
    expect(entry.event.json.length).toBeLessThan(1_000);
    expect(entry.event.pdu).toMatchObject({ type, sender: '@alice:example.org', state_key: 'key', auth_events: ['$create'] });
    expect(entry.event.pdu.content).toEqual(kept);
    expect([entry.nid, entry.event.eventId, bytesOf(entry)]).toEqual([4, whole.eventId, whole.json.length]);
    // Once is enough.
    expect(keptEntry(entry, rules)).toBe(entry);
  });

  it('takes little memory, while the size of the state is told as it is', () => {
    const state = new RoomState(rules, 'example.org', () => false);
    for (let i = 0; i < 5_300; i++) state.set('org.example.heavy', `k${i}`, { nid: i, event: event('org.example.heavy', `k${i}`, { x: text(1_000) }) });
    const { textBytes } = state;
    expect(textBytes).toBeGreaterThan(5_300 * 6_000);
    expect(state.bytes).toBeLessThan(10_000_000);
    expect(() => state.get('org.example.heavy', 'k1')).toThrow('in the database only');
    for (let i = 0; i < 5_300; i++) state.set('org.example.heavy', `k${i}`, null);
    expect([state.textBytes, state.bytes]).toEqual([0, 0]);
  });
});

describe('what has a place in an answer', () => {
  const MIB = 1024 * 1024;
  const sizes = (list: readonly number[]): readonly number[] => placed(list, (size) => size);

  it('is everything, as long as the large events have', () => {
    const all = [16 * MIB - 5_000, 5_000, ...Array.from({ length: 10_000 }, () => 4_096)];
    expect(sizes(all)).toBe(all);
  });

  it('is all but the largest events, in their order', () => {
    expect(sizes([9 * MIB, 100, 5 * MIB, 4_096, 12 * MIB, 6 * MIB])).toEqual([100, 5 * MIB, 4_096, 6 * MIB]);
  });
});
