import { writeAppToken } from './app-token.js';
import type { Delivery, ResumeState } from './resume-state.js';

export type Json = Record<string, unknown>;

/** Where the answer stands. */
export interface SyncContext {
  serverName: string;
  /** Step of the app's `since`; 0 when it had none. */
  after: number;
  /** Whether the home was asked without a `since`. */
  initial: boolean;
}

/**
 * Turns a home's `/sync` answer into the app's: notes what it delivers, drops what the app has already, and wraps its
 * tokens. When the promise resolves, storage knows of the delivery.
 */
export async function syncResponse(body: Json, context: SyncContext, state: ResumeState): Promise<Json> {
  const { 'io.partyline.frontier': frontier, 'io.partyline.account': account, ...answer } = body;
  const delivery: Delivery = { ...context, rooms: new Map(), toDevice: [] };
  if (isObject(account)) delivery.account = account as Record<string, number>;
  const rooms: Json = isObject(body['rooms']) ? { ...body['rooms'] } : {};
  for (const section of ['join', 'leave']) {
    if (!isObject(rooms[section])) continue;
    rooms[section] = Object.fromEntries(Object.entries(rooms[section]).map(([roomId, room]) => (
      [roomId, readRoom(roomId, isObject(room) ? room : {}, context, state, delivery)]
    )));
    if (section === 'leave') for (const roomId of Object.keys(rooms[section] as Json)) markLeft(delivery, roomId);
  }
  noteFrontiers(delivery, isObject(frontier) ? frontier : {}, rooms);
  const toDevice = readToDevice(body['to_device'], context, state, delivery);
  const step = await state.deliver(delivery);
  return {
    ...answer,
    ...(body['rooms'] === undefined ? {} : { rooms }),
    ...(toDevice ? { to_device: toDevice } : {}),
    next_batch: writeAppToken({ serverName: context.serverName, anchor: String(step), token: String(body['next_batch']) }),
  };
}

/** Drops of a room's timeline what the app has, and notes what it gets. */
export function readRoom(roomId: string, room: Json, context: SyncContext, state: ResumeState, delivery: Delivery): Json {
  if (!isObject(room['timeline'])) return room;
  const timeline: Json = { ...room['timeline'] };
  const events = list(timeline['events']);
  const known = context.initial ? new Set<string>() : state.eventsAt(roomId, context.after);
  // A limited timeline replaces what the app shows, so that it must be whole.
  const anew = timeline['limited'] === true;
  const said = context.initial ? new Map<string, string>() : state.saidAt(roomId, context.after);
  const isTwin = (event: Json): boolean => (said.get(saidOf(event) ?? '') ?? idOf(event)) !== idOf(event);
  const fresh = anew ? events : events.filter((event) => !known.has(idOf(event)) && !isTwin(event));
  const first = events.map(idOf)[0] ?? '';
  if (typeof timeline['prev_batch'] === 'string') {
    timeline['prev_batch'] = writeAppToken({ serverName: context.serverName, anchor: first, token: timeline['prev_batch'] });
  }
  const delivered = anew ? events : fresh.filter((event) => !known.has(idOf(event)));
  delivery.rooms.set(roomId, {
    anew,
    events: delivered.map(idOf),
    said: new Map(delivered.flatMap((event) => saidOf(event) === undefined ? [] : [[idOf(event), saidOf(event)!]])),
  });
  return { ...room, timeline: { ...timeline, events: fresh } };
}

/** A home that tells no frontier still tells the last event, whose ancestors the app has seen or can page to. */
export function noteFrontiers(delivery: Delivery, frontier: Json, rooms: Json): void {
  for (const [roomId, ids] of Object.entries(frontier)) {
    const room = delivery.rooms.get(roomId) ?? { events: [] };
    if (room.frontier === null || !Array.isArray(ids)) continue;
    delivery.rooms.set(roomId, { ...room, frontier: ids.filter((id) => typeof id === 'string') });
  }
  for (const [roomId, room] of delivery.rooms) {
    const last = room.events.at(-1);
    if (room.frontier === undefined && last && isObject(rooms['join']) && roomId in rooms['join']) room.frontier = [last];
  }
}

/** The user is not in the room any more. */
export function markLeft(delivery: Delivery, roomId: string): void {
  delivery.rooms.set(roomId, { events: delivery.rooms.get(roomId)?.events ?? [], frontier: null });
}

/** Messages to the device lie at all homes; the one that the app got from a home just before it died comes from the next again. */
export function readToDevice(section: unknown, context: SyncContext, state: ResumeState, delivery: Delivery): Json | undefined {
  if (!isObject(section)) return undefined;
  const events = list(section['events']).filter((event) => {
    const id = event['io.partyline.id'];
    if (typeof id !== 'string') return true;
    if (state.hasToDevice(id, context.after)) return false;
    delivery.toDevice.push(id);
    return true;
  });
  return { ...section, events };
}

function idOf(event: Json): string {
  return typeof event['event_id'] === 'string' ? event['event_id'] : '';
}

/** By what an event and its twin of another home are known as one message. */
function saidOf(event: Json): string | undefined {
  const txn = isObject(event['unsigned']) ? event['unsigned']['io.partyline.txn'] : undefined;
  return typeof txn === 'string' ? `${String(event['sender'])} ${txn}` : undefined;
}

/** The objects of a list. */
export function list(value: unknown): Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
