import { Injectable } from '@nestjs/common';
import { presenceContent } from '../../ephemeral/presence/presence-state.js';
import { Presences } from '../../ephemeral/presence/presences.js';
import { Clock } from '../../observability/clock.js';
import type { AnswerPlan } from './room-plan.js';
import type { AnswerMoment, SyncRequest } from './sync-request.js';

/** People of whom one answer tells. */
const MAX_PEOPLE = 5_000;
const TYPE = 'm.presence';

/** The member `presence` of an answer (Client-Server, "Presence"); no query for who is known. */
@Injectable()
export class PresenceSection {
  constructor(
    private readonly presences: Presences,
    private readonly clock: Clock,
  ) {}

  /**
   * @param ignored users of whom the reader wants to know nothing
   * @returns JSON text with the member's name; null where nobody is to be told of
   */
  async write({ userId, since, filter }: SyncRequest, plan: AnswerPlan, { ahead }: AnswerMoment, ignored: ReadonlySet<string>): Promise<string | null> {
    const newRooms = plan.rooms.filter((room) => room.section === 'join' && room.isNew).map(({ room }) => room.roomId);
    // The token says that all was told up to now, also of those for whom nobody was woken yet.
    const hasNews = ahead.has('presence') || newRooms.length > 0 || this.presences.isPendingFor(userId);
    if (!hasNews || !this.presences.isOn || !filter.presence.passesType(TYPE)) return null;
    await this.presences.ready([userId]);
    const from = since === null || since.resume ? null : since.positions.presence;
    const now = this.clock.steady();
    const events: string[] = [];
    const max = Math.min(MAX_PEOPLE, filter.presence.filter.limit ?? MAX_PEOPLE);
    for (const [sender, state] of this.presences.toTell(userId, from, newRooms)) {
      if (events.length >= max) break;
      if (ignored.has(sender) || !filter.presence.passes({ type: TYPE, sender, hasUrl: false, relType: undefined })) continue;
      events.push(JSON.stringify({ type: TYPE, sender, content: presenceContent(state, now) }));
    }
    return events.length === 0 ? null : `"presence":{"events":[${events.join(',')}]}`;
  }
}
