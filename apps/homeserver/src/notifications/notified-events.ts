import { Injectable } from '@nestjs/common';
import { AccountData } from '../account-data/account-data.js';
import { type Notification, notificationFor } from '../push/compile-push-rules.js';
import type { PushContext } from '../push/push-event.js';
import { PushLook } from '../push/push-look.js';
import { PushRuleCache } from '../push/push-rule-cache.js';
import { notificationPowers } from '../push/notification-powers.js';
import { type RoomFacts, RoomFactsReader } from './room-facts.js';
import type { FeedEvent, Names } from './told-event.js';

/** Steps of patterns (`PushLook`), and looks, after which others have a turn: some milliseconds. */
const STEPS_AT_ONCE = 1_000_000;
const LOOKS_AT_ONCE = 500;

/** Events of a room that are new, and the accounts that may be notified of them. */
export interface RoomNews {
  readonly roomId: string;
  readonly events: readonly FeedEvent[];
  /** Accounts here that were joined, or whose membership changed. */
  readonly userIds: readonly string[];
}

/** That somebody is to be notified of an event. */
export interface NotifiedEvent {
  readonly userId: string;
  readonly roomId: string;
  readonly event: FeedEvent;
  readonly names: Names;
  readonly notification: Notification;
}

/** Who is to be notified of what: push rules, ignored people, and who may see the event. */
@Injectable()
export class NotifiedEvents {
  constructor(
    private readonly rooms: RoomFactsReader,
    private readonly rules: PushRuleCache,
    private readonly accountData: AccountData,
  ) {}

  /** Of a room that is here. */
  async of({ roomId, events, userIds }: RoomNews): Promise<NotifiedEvent[]> {
    const facts = await this.rooms.of(roomId, new Set([...userIds, ...events.map((event) => event.sender)]));
    if (!facts) return [];
    const notified: NotifiedEvent[] = [];
    let [spent, looks] = [0, 0];
    for (const userId of userIds) {
      const visible = visibleTo(userId, events, facts);
      if (visible.length === 0) continue;
      const [rules, ignored] = await Promise.all([this.rules.of(userId), this.accountData.ignored(userId)]);
      for (const event of visible) {
        if (ignored.has(event.sender)) continue;
        if (event.type === 'm.room.member' && event.stateKey === userId && (await this.accountData.ignoredInviters(userId))(event.sender)) continue;
        const look = new PushLook(pushEvent(roomId, event), contextOf(facts, userId, event.sender));
        const notification = notificationFor(rules, look);
        if (notification) notified.push({ userId, roomId, event, names: namesOf(facts, event.sender), notification });
        spent += look.spent;
        if (++looks % LOOKS_AT_ONCE !== 0 && spent < STEPS_AT_ONCE) continue;
        spent = 0;
        await new Promise(setImmediate);
      }
    }
    return notified;
  }

  /** Of an invitation to a room that is not here. */
  async ofInvitation(userId: string, roomId: string): Promise<NotifiedEvent | undefined> {
    const invitation = await this.rooms.invitation(userId, roomId);
    if (!invitation) return undefined;
    const { event, names } = invitation;
    const [rules, isIgnored] = await Promise.all([this.rules.of(userId), this.accountData.ignoredInviters(userId)]);
    if (isIgnored(event.sender)) return undefined;
    const powers = notificationPowers(undefined, undefined, undefined);
    const context = { displayName: undefined, memberCount: 0, senderPower: 0, notificationPower: powers.notificationPower };
    const notification = notificationFor(rules, new PushLook(pushEvent(roomId, event), context));
    return notification ? { userId, roomId, event, names, notification } : undefined;
  }
}

/** What somebody who is in the room now may be told of: what came after his join, or his invitation. */
function visibleTo(userId: string, events: readonly FeedEvent[], facts: RoomFacts): readonly FeedEvent[] {
  const membership = facts.members.get(userId)?.membership;
  const ofOwnMember = (event: FeedEvent): boolean => event.type === 'm.room.member' && event.stateKey === userId;
  if (membership === 'invite') return events.filter((event) => ofOwnMember(event) && event.content['membership'] === 'invite');
  if (membership !== 'join') return [];
  const joined = events.findLastIndex((event) => ofOwnMember(event) && event.content['membership'] === 'join');
  return events.slice(joined + 1).filter((event) => event.sender !== userId);
}

function contextOf(facts: RoomFacts, userId: string, sender: string): PushContext {
  return {
    displayName: facts.members.get(userId)?.displayName,
    memberCount: facts.memberCount,
    get senderPower() {
      return facts.powers.senderPower(sender);
    },
    notificationPower: facts.powers.notificationPower,
  };
}

function namesOf({ members, roomName, roomAlias }: RoomFacts, sender: string): Names {
  return { senderName: members.get(sender)?.displayName, roomName, roomAlias };
}

function pushEvent(roomId: string, { type, sender, content, stateKey }: FeedEvent) {
  return { type, sender, room_id: roomId, content, ...(stateKey === undefined ? {} : { state_key: stateKey }) };
}
