import type { LoggedEvent } from './room-log.js';
import type { HeldRoom, Reader } from './reader.js';
import { Truth } from './truth.js';

const isMember = (key: string): boolean => key.startsWith('m.room.member|');

/**
 * Compares what a client holds of a room, after a sync, with what its user may see.
 *
 * @param truth the room as it is; its history is one line
 * @param log the timeline of the client's server, which may have come into the room late
 * @returns what is wrong
 */
export function faultsOf(reader: Reader, roomId: string, truth: Truth, log: readonly LoggedEvent[], countsUnread: boolean): string[] {
  const { userId } = reader.client;
  const held = reader.store.rooms.get(roomId);
  const membership = truth.membership(userId);
  const is = membership === 'ban' || membership === 'knock' ? 'leave' : membership;
  if (!held) return is === 'leave' ? [] : [`does not know that it is ${membership}`];
  const faults: string[] = [];
  if (held.section !== is) faults.push(`thinks ${held.section}, is ${membership}`);
  faults.push(...timelineFaults(userId, held, truth, log));
  if (truth.end(userId) !== -Infinity && held.section !== 'invite') faults.push(...stateFaults(reader, held, truth, log));
  if (countsUnread && is === 'join' && !reader.manner.sliding && held.unread !== truth.unread(userId)) faults.push(`counts ${held.unread} unread, there are ${truth.unread(userId)}`);
  return faults;
}

function timelineFaults(userId: string, held: HeldRoom, truth: Truth, log: readonly LoggedEvent[]): string[] {
  if (held.section === 'invite') return [];
  const byId = new Map(log.map((event) => [event.eventId, event]));
  const visible = new Set(truth.timelineFor(userId).map((event) => event.eventId));
  const faults: string[] = [];
  // Servers say by themselves that they are homes of somebody; beside what a user does, each has that where it came.
  const here = new Truth(log);
  const isTelling = ({ type, stateKey, sender }: LoggedEvent): boolean => type === 'm.room.member' && stateKey === sender && log[0]!.content.room_version !== '12';
  const knew = (event: LoggedEvent): boolean =>
    truth.knewAsState(userId, event) || here.knewAsState(userId, event) || (isTelling(event) && here.maySee(userId, event.eventId));
  const shown = (id: string): string => nameOf(byId.get(id), id);
  for (const id of held.timeline) {
    const event = byId.get(id);
    if (!visible.has(id) && (!event || event.stateKey === null || !knew(event))) faults.push(`was shown ${shown(id)}`);
  }
  // A server that is not in the room shows how an invitation ended, which is in no timeline of its.
  const end = truth.end(userId);
  // An invitation to somebody who was here before stands in a section of its own.
  const isInvitation = ({ type, content, eventId }: LoggedEvent): boolean =>
    type === 'm.room.member' && content.membership === 'invite' && truth.log.findIndex((event) => event.eventId === eventId) > end;
  const all = log.filter((event) => event.pos > 0 && visible.has(event.eventId) && !isInvitation(event)).map((event) => event.eventId);
  const seen = held.timeline.filter((id) => all.includes(id));
  // The newest is always there, and nothing is missing between it and the oldest that is held.
  const count = Math.max(seen.length, Math.min(1, all.length));
  const wanted = all.slice(all.length - count);
  if (wanted.join() !== seen.join()) faults.push(`holds [${seen.map(shown).join(', ')}], wanted [${wanted.map(shown).join(', ')}]`);
  return faults;
}

function stateFaults(reader: Reader, held: HeldRoom, truth: Truth, log: readonly LoggedEvent[]): string[] {
  const { userId } = reader.client;
  const { lazy, sliding } = reader.manner;
  const own = `m.room.member|${userId}`;
  let wanted = truth.stateFor(userId);
  // A new client is not shown what its user has left, only what becomes of his membership afterwards.
  if (held.section === 'leave' && !held.state.has('m.room.create|')) wanted = new Map([...wanted].filter(([key]) => key === own));
  const faults: string[] = [];
  for (const [key, event] of wanted) {
    // A server that has left the room need not hear what becomes of who was there.
    if (key === own && held.section === 'leave' && !log.some((one) => one.eventId === event.eventId)) continue;
    const one = held.state.get(key);
    // Of whom it shows no event, a client that loads members lazily by sliding sync may not have heard lately (MSC4186, "Lazy loaded memberships").
    if (sliding && lazy && isMember(key) && key !== own && !truth.log.some((event) => `m.room.member|${event.sender}` === key && held.timeline.includes(event.eventId))) continue;
    if (one === undefined ? !lazy || !isMember(key) : one.eventId !== event.eventId) {
      faults.push(`has ${key} as ${JSON.stringify(one?.content)}, it is ${JSON.stringify(event.content)}`);
    }
  }
  for (const key of held.state.keys()) if (!wanted.has(key)) faults.push(`has ${key}, which there is not`);
  if (lazy) {
    const end = truth.end(userId);
    const shown = truth.log.filter((event, i) => i <= end && held.timeline.includes(event.eventId));
    for (const sender of new Set(shown.map((event) => event.sender))) if (!held.state.has(`m.room.member|${sender}`)) faults.push(`does not know ${sender}, whose event it shows`);
  }
  return faults;
}

export function nameOf(event: LoggedEvent | undefined, id: string): string {
  if (!event) return id;
  const { type, stateKey, content, sender } = event;
  if (type === 'm.room.message') return `"${content.body}" of ${sender}`;
  return `${type} ${stateKey} ${JSON.stringify(content.membership ?? content.history_visibility ?? content.topic ?? '')}`;
}
