import type { RoomEvent } from '../events/index.js';

/** State events that might take away someone's ability to do something ("State resolution", power events). */
export function isPowerEvent(event: RoomEvent): boolean {
  const { type, state_key: stateKey, sender, content } = event.pdu;
  if (type === 'm.room.power_levels' || type === 'm.room.join_rules') return stateKey === '';
  if (type !== 'm.room.member' || stateKey === undefined) return false;
  const { membership } = content;
  return (membership === 'leave' || membership === 'ban') && sender !== stateKey;
}
