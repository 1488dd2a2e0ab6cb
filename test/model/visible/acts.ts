import type { JsonObject } from '#federation';
import type { EventOf } from '../../network/one-commit.js';
import { roomPath } from '../../network/room-pages.js';
import type { Json, TestClient } from '../../network/test-client.js';
import type { TestServer } from '../../network/test-server.js';
import type { Draw } from '../rooms/random.js';

/** Somebody with a client at each of his homes. */
export interface Actor {
  readonly name: string;
  readonly userId: string;
  readonly clients: readonly TestClient[];
}

/** Something that somebody does in a room. */
export interface Act {
  readonly what: 'say' | 'join' | 'leave' | 'invite' | 'kick' | 'ban' | 'unban' | 'visibility' | 'topic' | 'rename';
  readonly actor: Actor;
  readonly target: Actor;
  readonly text: string;
}

const OFTEN: readonly Act['what'][] = [
  'say', 'say', 'say', 'say', 'join', 'join', 'join', 'leave', 'leave', 'invite', 'kick', 'ban', 'unban', 'visibility', 'visibility', 'topic', 'rename',
];
const VISIBILITIES = ['shared', 'joined', 'invited', 'world_readable'];

export function randomAct(draw: Draw, actors: readonly Actor[], text: string): Act {
  const what = OFTEN[draw(OFTEN.length)]!;
  return { what, actor: actors[draw(actors.length)]!, target: actors[draw(actors.length)]!, text: what === 'visibility' ? VISIBILITIES[draw(VISIBILITIES.length)]! : text };
}

/** Does it as a client; what is not allowed does not happen, which is no fault. */
export async function perform(act: Act, client: TestClient, roomId: string, via: TestServer): Promise<void> {
  const room = roomPath(roomId);
  const user = { user_id: act.target.userId };
  const [method, path, body]: [string, string, Json] = {
    say: ['PUT', `${room}/send/m.room.message/${client.nextTxn()}`, { msgtype: 'm.text', body: act.text }],
    join: ['POST', `/v3/join/${encodeURIComponent(roomId)}?via=${encodeURIComponent(via.name)}`, {}],
    leave: ['POST', `${room}/leave`, {}],
    invite: ['POST', `${room}/invite`, user],
    kick: ['POST', `${room}/kick`, user],
    ban: ['POST', `${room}/ban`, user],
    unban: ['POST', `${room}/unban`, user],
    visibility: ['PUT', `${room}/state/m.room.history_visibility/`, { history_visibility: act.text }],
    topic: ['PUT', `${room}/state/m.room.topic/`, { topic: act.text }],
    rename: ['PUT', `${room}/state/m.room.member/${encodeURIComponent(act.actor.userId)}`, { membership: 'join', displayname: act.text }],
  }[act.what] as [string, string, Json];
  const { status, body: answer } = await client.raw(method, path, body);
  if (status >= 500) throw new Error(`${wordsFor(act)}: ${status} ${JSON.stringify(answer)}`);
}

/** The event that it is, for those that need nothing but an event. */
export function eventOf({ what, actor, target, text }: Act): EventOf {
  const event = (type: string, content: JsonObject, stateKey?: string): EventOf => ({ sender: actor.userId, type, content, ...(stateKey === undefined ? {} : { stateKey }) });
  const member = (userId: string, membership: string, more: JsonObject = {}): EventOf => event('m.room.member', { ...more, membership }, userId);
  switch (what) {
    case 'say': return event('m.room.message', { msgtype: 'm.text', body: text });
    case 'visibility': return event('m.room.history_visibility', { history_visibility: text }, '');
    case 'topic': return event('m.room.topic', { topic: text }, '');
    case 'join': return member(actor.userId, 'join');
    case 'rename': return member(actor.userId, 'join', { displayname: text });
    case 'leave': return member(actor.userId, 'leave');
    case 'invite': return member(target.userId, 'invite');
    case 'ban': return member(target.userId, 'ban');
    case 'kick': case 'unban': return member(target.userId, 'leave');
  }
}

export function wordsFor({ what, actor, target, text }: Act): string {
  const object = ['invite', 'kick', 'ban', 'unban'].includes(what) ? target.name : ['say', 'visibility', 'topic', 'rename'].includes(what) ? text : '';
  return `${actor.name} ${what} ${object}`.trimEnd();
}
