import { Inject, Injectable, Optional } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { streamNames } from '../../bus/bus.js';
import { DeviceListReader } from '../../device-keys/device-lists/device-list-reader.js';
import { type KeyCounts, OneTimeKeys } from '../../device-keys/one-time-keys/one-time-keys.js';
import { ToDeviceInbox } from '../../device-keys/to-device/to-device-inbox.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { AccountVector } from '../account-vector.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import { RoomRowsStore } from '../rooms/room-rows.store.js';
import type { SyncPositions } from '../sync-token.js';
import { SyncTokens } from '../sync-tokens.js';
import { textsOf } from './room-extras.js';
import { PresenceSection } from './presence-section.js';
import type { AnswerPlan } from './room-plan.js';
import { RoomPlanner } from './room-planner.js';
import { type RoomSections, RoomSectionsWriter } from './room-sections.js';
import { ShownStates } from './shown-states.js';
import type { AnswerMoment, SyncAnswer, SyncRequest } from './sync-request.js';

/** Makes one answer, as of now, without waiting. */
@Injectable()
export class SyncEngine {
  constructor(
    private readonly notifier: SyncNotifier,
    private readonly memberships: Memberships,
    private readonly planner: RoomPlanner,
    private readonly sections: RoomSectionsWriter,
    private readonly rows: RoomRowsStore,
    private readonly shown: ShownStates,
    private readonly accountData: AccountData,
    private readonly toDevice: ToDeviceInbox,
    private readonly deviceLists: DeviceListReader,
    private readonly keyCounts: OneTimeKeys,
    private readonly presence: PresenceSection,
    private readonly tokens: SyncTokens,
    @Optional() @Inject(AccountVector) private readonly vector: AccountVector | null,
  ) {}

  async answer(request: SyncRequest): Promise<SyncAnswer> {
    const { userId, since } = request;
    const moment = this.#moment(request);
    const [ignored, list] = await Promise.all([this.accountData.ignored(userId), this.memberships.roomsOf(userId)]);
    // The list may be of a later moment than the positions. No membership changed between its highest position and
    // that moment.
    let to = moment.next.events;
    for (const room of list.values()) to = Math.max(to, room.pos);
    const looksAtRooms = since === null || request.fullState || since.resume !== undefined || since.behind !== undefined
      || (['events', 'receipts', 'typing', 'account'] as const).some((stream) => moment.ahead.has(stream));
    const plan = looksAtRooms ? await this.planner.plan(request, [...list.values()], to, ignored) : emptyPlan(to);
    const [rooms, invites, other, presence] = await Promise.all([
      this.sections.write(request, plan, moment, ignored),
      this.#invites(request, plan),
      this.#otherParts(request, moment, to),
      this.presence.write(request, plan, moment, ignored),
    ]);
    const next: SyncPositions = { ...moment.next, events: to, to_device: other.toDevicePos };
    const roomsText = roomsMember(rooms, invites);
    const parts = [roomsText, presence, ...other.parts].filter((part) => part !== null);
    if (request.frontier) parts.push(...(await this.#frontier(userId, plan, rooms)));
    const isEmpty = roomsText === null && presence === null && other.isEmpty;
    // The rooms of awaited events are not known. To show one again that the client still has is less than to leave out one that it gave up.
    const awaited = rooms.isAnew ? undefined : since?.awaited;
    return { text: `{${[`"next_batch":"${this.tokens.sync(next, awaited, request.requester, rooms.behind)}"`, ...parts].join(',')}}`, next, isEmpty };
  }

  /** The answer of a sync that had nothing to tell. */
  async empty(request: SyncRequest, next: SyncPositions): Promise<string> {
    const token = this.tokens.sync(next, request.since?.awaited, request.requester);
    return emptyText(token, request.deviceId === null ? null : await this.keyCounts.counts(request.userId, request.deviceId));
  }

  /** The same for a device that goes on from a token of its own; undefined where that has to be looked up. */
  emptyAt(token: string, userId: string, deviceId: string): string | undefined {
    const counts = this.keyCounts.held(userId, deviceId);
    return counts && emptyText(token, counts);
  }

  #moment({ userId, since }: SyncRequest): AnswerMoment {
    const current = this.notifier.current();
    if (since === null) return { next: current, ahead: new Set(streamNames) };
    // What the client has may be committed a moment before it is published.
    const next = Object.fromEntries(streamNames.map((name) => [name, Math.max(current[name], since.positions[name])])) as SyncPositions;
    return { next, ahead: new Set(this.notifier.ahead(userId, since.positions)) };
  }

  async #invites(
    request: SyncRequest, plan: AnswerPlan,
  ): Promise<{ invite: Map<string, string>; knock: Map<string, string> }> {
    const shown = await this.shown.of(request.userId, [...plan.invites, ...plan.knocks]);
    const sections = (rooms: readonly RoomMembership[], name: string): Map<string, string> =>
      new Map(rooms.map(({ roomId, roomNid }) => [roomId, `{"${name}":{"events":${shown.get(roomNid)!}}}`]));
    return { invite: sections(plan.invites, 'invite_state'), knock: sections(plan.knocks, 'knock_state') };
  }

  /** What has nothing to do with rooms. */
  async #otherParts(
    request: SyncRequest, moment: AnswerMoment, to: number,
  ): Promise<{ parts: string[]; isEmpty: boolean; toDevicePos: number }> {
    const [accountData, toDevice, lists, counts] = await Promise.all([
      this.#accountData(request, moment),
      this.#toDevice(request, moment),
      this.#deviceLists(request, moment, to),
      this.#keyCounts(request),
    ]);
    const parts = [accountData, toDevice.text, lists].filter((part) => part !== null);
    return { parts: [...parts, ...counts], isEmpty: parts.length === 0, toDevicePos: toDevice.pos };
  }

  async #accountData({ userId, since, filter }: SyncRequest, { next, ahead }: AnswerMoment): Promise<string | null> {
    if (!ahead.has('account')) return null;
    const events = await this.accountData.global(userId, since?.positions.account ?? null, next.account);
    const texts = textsOf(events, null, filter.accountData, userId);
    return texts.length === 0 ? null : `"account_data":{"events":[${texts.join(',')}]}`;
  }

  async #toDevice(
    { userId, deviceId, since, frontier }: SyncRequest, { next, ahead }: AnswerMoment,
  ): Promise<{ text: string | null; pos: number }> {
    if (deviceId === null || !ahead.has('to_device')) return { text: null, pos: next.to_device };
    const { events, pos } = await this.toDevice.messages(userId, deviceId, {
      from: since?.positions.to_device ?? 0, to: next.to_device, withIds: frontier,
    });
    return { text: events.length === 0 ? null : `"to_device":{"events":[${events.join(',')}]}`, pos };
  }

  async #deviceLists({ userId, since }: SyncRequest, { next, ahead }: AnswerMoment, to: number): Promise<string | null> {
    // A client that knows nothing asks for the keys of everybody whom it meets.
    if (since === null || !(ahead.has('device_lists') || ahead.has('events'))) return null;
    if (since.resume?.isFresh) return `"device_lists":${JSON.stringify({ changed: await this.deviceLists.all(userId), left: [] })}`;
    const { changed, left } = await this.deviceLists.since(userId, since.positions, { events: to, device_lists: next.device_lists });
    return changed.length + left.length === 0 ? null : `"device_lists":${JSON.stringify({ changed, left })}`;
  }

  async #keyCounts({ userId, deviceId }: SyncRequest): Promise<string[]> {
    if (deviceId === null) return [];
    return [countsText(await this.keyCounts.counts(userId, deviceId))];
  }

  async #frontier(userId: string, plan: AnswerPlan, rooms: RoomSections): Promise<string[]> {
    const firstBehind = rooms.behind?.[0]?.upTo ?? -Infinity;
    const nids = plan.joined.filter((room) => rooms.join.has(room.roomId) && room.roomNid > firstBehind).map((room) => room.roomNid);
    const [frontiers, vector] = await Promise.all([this.rows.frontiers(nids, plan.to), this.vector?.of(userId) ?? {}]);
    return [
      `"io.partyline.frontier":${JSON.stringify(Object.fromEntries(frontiers))}`,
      `"io.partyline.account":${JSON.stringify(vector)}`,
    ];
  }
}

function emptyText(token: string, counts: KeyCounts | null): string {
  return counts === null ? `{"next_batch":"${token}"}` : `{"next_batch":"${token}",${countsText(counts)}}`;
}

function countsText({ oneTimeKeys, unusedFallback }: KeyCounts): string {
  return `"device_one_time_keys_count":${oneTimeKeys},"device_unused_fallback_key_types":${unusedFallback}`;
}

function emptyPlan(to: number): AnswerPlan {
  return { to, rooms: [], invites: [], knocks: [], joined: [] };
}

function roomsMember(
  rooms: RoomSections, { invite, knock }: { invite: Map<string, string>; knock: Map<string, string> },
): string | null {
  const sections = [['join', rooms.join], ['invite', invite], ['knock', knock], ['leave', rooms.leave]] as const;
  const texts = sections
    .filter(([, texts]) => texts.size > 0)
    .map(([name, texts]) => `"${name}":{${[...texts].map(([roomId, text]) => `${JSON.stringify(roomId)}:${text}`).join(',')}}`);
  return texts.length === 0 ? null : `"rooms":{${texts.join(',')}}`;
}
