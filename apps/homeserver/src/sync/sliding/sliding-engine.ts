import { Inject, Injectable, Optional } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import { RoomMarks } from '../../account-data/room-marks.js';
import { streamNames } from '../../bus/bus.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { AccountVector } from '../account-vector.js';
import { SyncNotifier } from '../notify/sync-notifier.js';
import { RoomRowsStore } from '../rooms/room-rows.store.js';
import type { SyncPositions } from '../sync-token.js';
import type { ConnectionState, RoomMoment } from './connection-state.js';
import { ExtensionAnswers } from './extension-answers.js';
import { RoomAnswers } from './room-answers.js';
import { RoomLists, type WantedRoom } from './room-list.js';
import type { Extensions, ExtensionScope, SlidingRequest } from './sliding-request.js';
import { type LookedAt, nextRooms } from './told-rooms.js';

type Kind = 'account' | 'receipts' | 'typing';
const kinds: readonly Kind[] = ['account', 'receipts', 'typing'];

/** What one answer is made for. */
export interface SlidingTurn {
  readonly request: SlidingRequest;
  /** What the client has. */
  readonly state: ConnectionState;
  readonly isFirst: boolean;
  readonly lazy: { readonly client: string; readonly since: number; readonly next: number };
}

export interface SlidingAnswer {
  /** The members of the answer besides `pos`, as JSON texts. */
  readonly parts: readonly string[];
  /** What the client has when it has received it. */
  readonly state: ConnectionState;
  /** Whether there is nothing in it that a client waits for. */
  readonly isEmpty: boolean;
}

/** Makes one answer of a sliding sync (MSC4186), as of now, without waiting. */
@Injectable()
export class SlidingEngine {
  constructor(
    private readonly notifier: SyncNotifier,
    private readonly memberships: Memberships,
    private readonly accountData: AccountData,
    private readonly marks: RoomMarks,
    private readonly lists: RoomLists,
    private readonly rooms: RoomAnswers,
    private readonly extensions: ExtensionAnswers,
    private readonly rows: RoomRowsStore,
    @Optional() @Inject(AccountVector) private readonly vector: AccountVector | null,
  ) {}

  async answer(turn: SlidingTurn): Promise<SlidingAnswer> {
    const { request, state, isFirst, lazy } = turn;
    const { userId } = request.requester;
    const current = this.notifier.current();
    const ahead = new Set(isFirst ? streamNames : this.notifier.ahead(userId, state.positions));
    const [ignored, directs, all] = await Promise.all([
      this.accountData.ignored(userId), this.marks.directs(userId), this.memberships.roomsOf(userId),
    ]);
    // The list of rooms may be of a later moment; no membership changed between its highest position and that moment.
    let to = Math.max(current.events, state.positions.events);
    for (const room of all.values()) to = Math.max(to, room.pos);
    const next: SyncPositions = {
      ...Object.fromEntries(streamNames.map((name) => [name, Math.max(current[name], state.positions[name])])) as SyncPositions, events: to,
    };
    const isInvited = [...all.values()].some(({ membership }) => membership === 'invite');
    const isIgnored = isInvited ? await this.accountData.ignoredInviters(userId) : undefined;
    const isListed = (room: RoomMembership): boolean => {
      if (room.membership === 'join') return true;
      if (room.membership === 'invite' || room.membership === 'knock') return !isIgnored?.(room.sender);
      // Who left by itself knows; who was thrown out may not.
      return state.rooms.has(room.roomNid) || room.sender !== userId;
    };
    const { rooms: wanted, counts } = await this.lists.find(request, all, isListed, to);
    const { texts, lookedAt } = await this.rooms.write({ request, state, isFirst, lazy, rooms: wanted, to, ignored, directs });
    const placed = wanted.filter(({ room }) => lookedAt.has(room.roomNid));
    const inScope = scopes(request.extensions, placed);
    const extensions = await this.extensions.write({ request, state, isFirst, rooms: inScope, next, ahead, ignored });
    const parts = [
      ...(request.txnId === undefined ? [] : [`"txn_id":${JSON.stringify(request.txnId)}`]),
      `"lists":${JSON.stringify(Object.fromEntries([...counts].map(([name, count]) => [name, { count }])))}`,
      `"rooms":{${[...texts].map(([roomId, text]) => `${JSON.stringify(roomId)}:${text}`).join(',')}}`,
      `"extensions":{${[...extensions.texts].map(([name, text]) => `${JSON.stringify(extensionName(name, request))}:${text}`).join(',')}}`,
      ...(request.frontier ? await this.#frontier(userId, placed.flatMap(({ room }) => (texts.has(room.roomId) ? [room] : [])), to) : []),
    ];
    const moment = momentAfter(state.moment, next, request.extensions);
    const missed = missedBy(request.extensions, inScope);
    const looked = new Map(placed.map(({ room }): [number, LookedAt] => [room.roomNid, { ...lookedAt.get(room.roomNid)!, missed: missed(room) }]));
    return {
      parts,
      isEmpty: texts.size === 0 && extensions.isEmpty,
      state: {
        positions: { ...next, to_device: request.extensions.toDevice ? extensions.toDevice : next.to_device },
        moment,
        rooms: nextRooms(state, looked, moment),
        account: extensions.account,
        toDevice: extensions.toDevice,
        deviceLists: extensions.deviceLists,
        awaited: state.awaited,
      },
    };
  }

  async #frontier(userId: string, rooms: readonly RoomMembership[], to: number): Promise<string[]> {
    const nids = rooms.filter((room) => room.membership === 'join').map((room) => room.roomNid);
    const [frontiers, vector] = await Promise.all([this.rows.frontiers(nids, to), this.vector?.of(userId) ?? {}]);
    return [
      `"io.partyline.frontier":${JSON.stringify(Object.fromEntries(frontiers))}`,
      `"io.partyline.account":${JSON.stringify(vector)}`,
    ];
  }
}

/** The joined rooms for which each extension is on. */
function scopes(extensions: Extensions, rooms: readonly WantedRoom[]): Record<Kind, RoomMembership[]> {
  const of = (scope: ExtensionScope | undefined): RoomMembership[] => {
    if (!scope) return [];
    const isIn = ({ room, lists, isSubscribed }: WantedRoom): boolean =>
      room.membership === 'join' && (lists.some((name) => !scope.lists || scope.lists.has(name)) || (isSubscribed && (!scope.rooms || scope.rooms.has(room.roomId))));
    return rooms.filter(isIn).map(({ room }) => room);
  };
  return { account: of(extensions.accountData), receipts: of(extensions.receipts), typing: of(extensions.typing) };
}

function isOn(extensions: Extensions, kind: Kind): boolean {
  return extensions[kind === 'account' ? 'accountData' : kind] !== undefined;
}

/** Extensions that are on, and not for a room. */
function missedBy(extensions: Extensions, inScope: Readonly<Record<Kind, readonly RoomMembership[]>>): (room: RoomMembership) => Kind[] {
  const on = kinds.filter((kind) => isOn(extensions, kind)).map((kind) => [kind, new Set(inScope[kind])] as const);
  return (room) => (room.membership === 'join' ? on.filter(([, rooms]) => !rooms.has(room)).map(([kind]) => kind) : []);
}

function momentAfter(before: RoomMoment, next: SyncPositions, extensions: Extensions): RoomMoment {
  const of = (kind: Kind): number | null => (isOn(extensions, kind) ? next[kind] : before[kind]);
  return { events: next.events, account: of('account'), receipts: of('receipts'), typing: of('typing') };
}

/** The typing extension has a name of its own until it is part of the specification (MSC4508, "Unstable prefix"). */
function extensionName(name: string, { dialect, extensions }: SlidingRequest): string {
  return name === 'typing' && dialect === 'v4' && extensions.isTypingUnstable ? 'org.matrix.msc4508.typing' : name;
}
