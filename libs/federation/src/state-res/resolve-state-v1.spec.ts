import { alice, bob, carol, member, populatedRoom, state } from '../event-auth/populated-room.js';
import { roomVersion } from '../room-versions/index.js';
import { resolveRooms } from './resolve-rooms.js';

const rules = roomVersion('1')!;
const levels = { users: { [alice]: 100, [bob]: 50 }, invite: 50 };
const topic = 'm.room.topic\0';

describe('state resolution of room version 1', () => {
  it('keeps what only one state has', () => {
    const made = populatedRoom(rules);
    const [left, right] = [made.fork(), made.fork()];
    const set = left.send(state('m.room.topic', alice, { topic: 'left' }));
    expect(resolveRooms([left, right]).get(topic)).toBe(set.eventId);
    expect(resolveRooms([right, left]).get(topic)).toBe(set.eventId);
  });

  it('takes the deeper of two that are allowed', () => {
    const made = populatedRoom(rules);
    const [left, right] = [made.fork(), made.fork()];
    left.send(state('m.room.topic', alice, { topic: 'left' }));
    right.send({ type: 'm.room.message', sender: bob });
    const deeper = right.send(state('m.room.topic', bob, { topic: 'right' }));
    expect(resolveRooms([left, right]).get(topic)).toBe(deeper.eventId);
    expect(resolveRooms([right, left]).get(topic)).toBe(deeper.eventId);
  });

  it('settles power levels first, from the oldest on', () => {
    const made = populatedRoom(rules, 'public', { events: { 'm.room.power_levels': 50 } });
    const [left, right] = [made.fork(), made.fork()];
    // Alice takes bob's level away; bob, who does not know, sets a later topic and later levels.
    const taken = left.send(state('m.room.power_levels', alice, { ...levels, users: { [alice]: 100 } }));
    right.send({ type: 'm.room.message', sender: bob });
    right.send(state('m.room.power_levels', bob, { ...levels, events: { 'm.room.power_levels': 50 }, kick: 40 }));
    right.send(state('m.room.topic', bob, { topic: 'right' }));
    const kept = left.send(state('m.room.topic', alice, { topic: 'left' }));
    const resolved = resolveRooms([left, right]);
    expect(resolved.get('m.room.power_levels\0')).toBe(taken.eventId);
    expect(resolved.get(topic)).toBe(kept.eventId);
  });

  it('lets a ban stand against what the banned did meanwhile', () => {
    const made = populatedRoom(rules);
    const [left, right] = [made.fork(), made.fork()];
    const ban = left.send(member(alice, carol, 'ban'));
    right.send({ type: 'm.room.message', sender: carol });
    right.send(member(carol, carol, 'join', { displayname: 'Carol' }));
    expect(resolveRooms([right, left]).get(`m.room.member\0${carol}`)).toBe(ban.eventId);
  });
});
