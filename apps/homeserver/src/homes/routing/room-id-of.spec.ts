import { canonicalJson } from '#federation';
import { roomIdOf } from './room-id-of.js';

describe('the room of a PDU', () => {
  it('is the event\'s own, whatever its content holds', () => {
    const event = {
      content: { room_id: '!inner:x', body: '"room_id":"!text:x"' }, room_id: '!outer:x', sender: '@a:b', state_key: '"room_id":"!key:x"', type: 'm',
      signatures: { 'b.example': { 'ed25519:a': 'sig' } }, txn: '"room_id":"!txn:x"',
    };
    expect(roomIdOf(canonicalJson(event))).toBe('!outer:x');
  });

  it('is missing where there is none', () => {
    expect(roomIdOf(canonicalJson({ content: {}, type: 'm.room.create' }))).toBeUndefined();
  });
});
