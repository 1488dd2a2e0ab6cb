import { writeAppToken } from './app-token.js';
import type { Delivery, ResumeState } from './resume-state.js';
import { isObject, type Json, list, markLeft, noteFrontiers, readRoom, readToDevice, type SyncContext } from './sync-response.js';

/**
 * Turns a home's answer to a sliding sync into the app's, as `syncResponse` does it with `/sync`. When the promise resolves, storage
 * knows of the delivery.
 */
export async function slidingResponse(body: Json, context: SyncContext & { readonly userId: string }, state: ResumeState): Promise<Json> {
  const { 'io.partyline.frontier': frontier, 'io.partyline.account': account, ...answer } = body;
  const { userId, ...place } = context;
  const delivery: Delivery = { ...place, rooms: new Map(), toDevice: [] };
  if (isObject(account)) delivery.account = account as Record<string, number>;
  const rooms = Object.fromEntries(Object.entries(isObject(body['rooms']) ? body['rooms'] : {}).map(([roomId, room]) => (
    [roomId, isObject(room) ? slidingRoom(roomId, room, context, state, delivery) : room]
  )));
  noteFrontiers(delivery, isObject(frontier) ? frontier : {}, { join: rooms });
  for (const [roomId, room] of Object.entries(isObject(body['rooms']) ? body['rooms'] : {})) {
    if (isObject(room) && hasLeft(room, userId)) markLeft(delivery, roomId);
  }
  const extensions: Json = isObject(body['extensions']) ? { ...body['extensions'] } : {};
  const toDevice = readToDevice(extensions['to_device'], context, state, delivery);
  const step = await state.deliver(delivery);
  const token = (own: unknown): string => writeAppToken({ serverName: context.serverName, anchor: String(step), token: String(own) });
  if (toDevice) extensions['to_device'] = { ...toDevice, next_batch: token(toDevice['next_batch']) };
  return { ...answer, rooms, extensions, pos: token(body['pos']) };
}

/** A room in the form of this answer, by way of that of `/sync`. */
function slidingRoom(roomId: string, room: Json, context: SyncContext, state: ResumeState, delivery: Delivery): Json {
  if (!Array.isArray(room['timeline'])) return room;
  // Such a timeline takes the place of what the app has, so that it must be whole.
  const limited = [room['initial'], room['limited'], room['expanded_timeline'], room['unstable_expanded_timeline']].includes(true);
  const read = readRoom(roomId, { timeline: { events: room['timeline'], limited, prev_batch: room['prev_batch'] } }, context, state, delivery);
  const { events, prev_batch: prevBatch } = read['timeline'] as Json;
  const live = typeof room['num_live'] === 'number' ? { num_live: Math.min(room['num_live'], list(events).length) } : {};
  return { ...room, timeline: events, ...(prevBatch === undefined ? {} : { prev_batch: prevBatch }), ...live };
}

/** Whether the last that the answer says of the user is that it is not in the room. */
function hasLeft(room: Json, userId: string): boolean {
  const own = [...list(room['required_state']), ...list(room['timeline'])].filter((event) => event['type'] === 'm.room.member' && event['state_key'] === userId).at(-1);
  const membership = room['membership'] ?? (isObject(own?.['content']) ? own['content']['membership'] : undefined);
  return membership === 'leave' || membership === 'ban';
}
