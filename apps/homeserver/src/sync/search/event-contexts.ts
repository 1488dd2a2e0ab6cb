import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { EventMatcher } from '../filter/event-matcher.js';
import type { EventView } from '../history/event-views.js';
import { HistoryCollector } from '../history/history-collector.js';
import { fittingCount } from '../rooms/byte-shares.js';
import { SyncTokens } from '../sync-tokens.js';
import type { RoomEventsSearch } from './search-request.js';
import type { FoundEvent } from './visible-matches.js';

const DEFAULT_LIMIT = 5;
const MAX_LIMIT = 20;

/** What is around an event that was found. */
export interface FoundContext {
  /** Newest first. */
  readonly before: readonly EventView[];
  /** Oldest first. */
  readonly after: readonly EventView[];
  readonly start: string;
  readonly end: string;
  /** By user id; undefined when nobody asked for it. */
  readonly profiles: Readonly<Record<string, { displayname?: unknown; avatar_url?: unknown }>> | undefined;
}

/** Reads what is around events that were found. */
@Injectable()
export class EventContexts {
  readonly #everything = new EventMatcher();

  constructor(
    private readonly collector: HistoryCollector,
    private readonly accountData: AccountData,
    private readonly tokens: SyncTokens,
  ) {}

  /** @param maxBytes of the events around it; what has no place is had by paging */
  async of({ view, reader }: FoundEvent, wish: NonNullable<RoomEventsSearch['event_context']>, maxBytes: number): Promise<FoundContext> {
    const base = { reader, matcher: this.#everything, ignored: await this.accountData.ignored(reader.userId) };
    const [older, newer] = [wish.before_limit, wish.after_limit].map((limit) => Math.min(limit ?? DEFAULT_LIMIT, MAX_LIMIT)) as [number, number];
    const [allBefore, allAfter] = maxBytes <= 0 ? [[], []] : await Promise.all([
      older === 0 ? [] : this.collector.back({ ...base, from: view.pos - 1, limit: older }, 'stop').then((found) => found.views),
      newer === 0 ? [] : this.collector.forward({ ...base, from: view.pos, limit: newer }).then((found) => found.views),
    ]);
    const before = fitting(allBefore, maxBytes);
    const after = fitting(allAfter, maxBytes - bytesOf(before));
    return {
      before,
      after,
      start: this.tokens.place((before.at(-1) ?? view).pos - 1),
      end: this.tokens.place((after.at(-1) ?? view).pos),
      profiles: wish.include_profile ? profilesIn([view, ...before, ...after]) : undefined,
    };
  }
}

/** Bytes of the events around. */
export function bytesAround({ before, after }: FoundContext): number {
  return bytesOf(before) + bytesOf(after);
}

function bytesOf(views: readonly EventView[]): number {
  return views.reduce((sum, { event }) => sum + event.json.length, 0);
}

function fitting(views: readonly EventView[], maxBytes: number): readonly EventView[] {
  return views.slice(0, fittingCount(views.map(({ event }) => event.json.length), maxBytes));
}

/** How the senders were called then. */
function profilesIn(views: readonly EventView[]): FoundContext['profiles'] {
  const profiles = Object.create(null) as Record<string, { displayname?: unknown; avatar_url?: unknown }>;
  for (const { event, senderMember } of views) {
    const { displayname, avatar_url } = senderMember?.content ?? {};
    profiles[event.sender] ??= { ...(typeof displayname === 'string' ? { displayname } : {}), ...(typeof avatar_url === 'string' ? { avatar_url } : {}) };
  }
  return profiles;
}
