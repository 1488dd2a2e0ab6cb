import type { JsonObject } from '#federation';
import { Clock } from '../../apps/homeserver/src/observability/clock.js';
import { memberContent, type MembershipTarget } from '../../apps/homeserver/src/rooms/membership/member-content.js';
import { EventSender } from '../../apps/homeserver/src/rooms/pipeline/event-sender.js';
import { EventSigners } from '../../apps/homeserver/src/rooms/pipeline/event-signers.js';
import { RoomRegistry } from '../../apps/homeserver/src/rooms/room-registry.js';
import type { TestServer } from './test-server.js';

/** An event of an account on the server. */
export interface EventOf {
  readonly sender: string;
  readonly type: string;
  readonly stateKey?: string;
  readonly content: JsonObject;
}

/**
 * Sends events that all wait when the room's writer takes its jobs, so that they share a commit: what requests that arrive at the same
 * moment do by chance.
 *
 * @returns their ids; undefined for those that were refused
 */
export async function inOneCommit(server: TestServer, roomId: string, events: readonly EventOf[]): Promise<(string | undefined)[]> {
  const room = await server.get(RoomRegistry).get(roomId);
  const [sender, signers, clock] = [server.get(EventSender), server.get(EventSigners), server.get(Clock)];
  const ready = await Promise.all(events.map(async (event) => ({ event, signer: await signers.of(event.sender, room.rules) })));
  const sent = ready.map(({ event, signer }) => room.run((draft) => {
    const content = event.type === 'm.room.member'
      ? memberContent(draft, event.sender, event.stateKey!, event.content['membership'] as MembershipTarget, signer.record, event.content)
      : event.content;
    return sender.appendTo(draft, { ...event, content, ts: clock.now() }, signer).eventId;
  }));
  return (await Promise.allSettled(sent)).map((one) => (one.status === 'fulfilled' ? one.value : undefined));
}

/** A member event about oneself. */
export const membership = (userId: string, value: 'join' | 'leave'): EventOf =>
  ({ sender: userId, type: 'm.room.member', stateKey: userId, content: { membership: value } });

/** A text message. */
export const message = (sender: string, body: string): EventOf => ({ sender, type: 'm.room.message', content: { msgtype: 'm.text', body } });
