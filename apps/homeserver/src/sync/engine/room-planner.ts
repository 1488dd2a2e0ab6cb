import { Injectable } from '@nestjs/common';
import { AccountData } from '../../account-data/account-data.js';
import type { RoomMembership } from '../../rooms/membership/local-memberships.store.js';
import { ReaderHistories, type ReaderHistory } from '../rooms/reader-histories.js';
import { RoomPositions } from '../rooms/room-positions.js';
import { readUpTo, type RoomResume } from '../sync-token.js';
import type { AnswerPlan, RoomPlan } from './room-plan.js';
import type { RoomsRequest } from './sync-request.js';

/** Decides which rooms go into an answer, and from where to where. */
@Injectable()
export class RoomPlanner {
  constructor(
    private readonly positions: RoomPositions,
    private readonly histories: ReaderHistories,
    private readonly accountData: AccountData,
  ) {}

  /**
   * @param list the account's rooms, read at a moment when `to` was committed, with no membership above `to`
   * @param ignored users whose invitations are not shown
   */
  async plan(
    request: RoomsRequest, list: readonly RoomMembership[], to: number, ignored: ReadonlySet<string>,
  ): Promise<AnswerPlan> {
    const { filter, since } = request;
    const rooms = list.filter((room) => filter.includesRoom(room.roomId));
    const isNewsOf = (room: RoomMembership): boolean => room.pos > (fromOf(request, room) ?? -Infinity);
    const ofKind = (membership: RoomMembership['membership']): RoomMembership[] => rooms.filter((room) => room.membership === membership);
    const joined = ofKind('join');
    const left = [...ofKind('leave'), ...ofKind('ban')].filter((room) => isNewsOf(room) && this.#showsLeft(request, room));
    const resume = since?.resume?.rooms;
    const pasts = await this.histories.of(request.userId, [
      ...joined.filter((room) => isNewsOf(room) || (resume && !resume.has(room.roomId)) || request.widened?.get(room.roomNid)?.timeline).map(({ roomNid }) => ({ roomNid, isJoined: true })),
      ...left.map(({ roomNid }) => ({ roomNid, isJoined: false })),
    ], to);
    const plans: RoomPlan[] = [];
    for (const room of joined) {
      const plan = this.#joined(request, room, to, pasts.get(room.roomNid), resume);
      if (plan) plans.push(plan);
    }
    for (const room of left) plans.push(leftPlan(request, room, to, pasts.get(room.roomNid)!));
    // Invitations find a place in every answer.
    const isAsked = (room: RoomMembership): boolean =>
      (since === null || request.fullState || room.pos > (since.told ? (fromOf(request, room) ?? -Infinity) : since.positions.events)) && !ignored.has(room.sender);
    const invites = ofKind('invite').filter(isAsked);
    const isIgnored = invites.length === 0 ? undefined : await this.accountData.ignoredInviters(request.userId);
    return { to, rooms: plans, joined, invites: invites.filter((room) => !isIgnored?.(room.sender)), knocks: ofKind('knock').filter(isAsked) };
  }

  /** An initial sync shows rooms that were left only when asked, except those from which the reader was thrown out. */
  #showsLeft(request: RoomsRequest, room: RoomMembership): boolean {
    return fromOf(request, room) !== null || request.filter.includeLeave || room.sender !== request.userId;
  }

  #joined(
    request: RoomsRequest, room: RoomMembership, to: number, past: ReaderHistory | undefined,
    resume: ReadonlyMap<string, RoomResume> | undefined,
  ): RoomPlan | null {
    const { since, fullState } = request;
    const from = fromOf(request, room);
    const base = { room, section: 'join', to, stateTo: to, hides: false } as const;
    const known = resume?.get(room.roomId);
    if (known) {
      if (!fullState && !this.positions.mayHaveChanged(room.roomId, known.fromPos)) return null;
      return { ...base, after: known.fromPos, state: fullState ? 'full' : 'changes', isNew: false, newlyJoined: false, exclude: known.exclude };
    }
    // The account has come here since, to a room that was here already: what the client knows of it, another home has told.
    const wasIn = from !== null && past !== undefined && wasJoinedSince(past, from);
    const isNewHere = wasIn && room.herePos > from;
    if (from === null || resume || isNewHere || (past && !wasIn)) {
      return {
        ...base, after: 0, state: 'full', isNew: true, newlyJoined: from !== null,
        knows: from !== null && past && !isNewHere ? knownUpTo(past, from) : null,
        history: past?.history, hides: past?.isOpen === false,
      };
    }
    const widened = request.widened?.get(room.roomNid);
    if (!fullState && !widened && !this.positions.mayHaveChanged(room.roomId, from)) return null;
    const state = fullState || widened?.state ? 'full' : 'changes';
    if (widened?.timeline) {
      return { ...base, after: 0, changesAfter: from, state, isNew: false, newlyJoined: false, history: past!.history, hides: !past!.isOpen };
    }
    const exclude = since?.told?.get(room.roomNid)?.exclude ?? since?.awaited?.ids;
    return { ...base, after: from, changesAfter: widened && from, state, isNew: false, newlyJoined: false, exclude };
  }
}

/** Up to where the client has read the room; null when it knows nothing of it. */
function fromOf({ since }: RoomsRequest, { roomNid }: RoomMembership): number | null {
  if (since?.told) return since.told.get(roomNid)?.fromPos ?? null;
  return since === null ? null : readUpTo(since, roomNid);
}

/** Whether the reader was joined at the position and never left afterwards. */
function wasJoinedSince({ history, memberships }: ReaderHistory, pos: number): boolean {
  return history.membershipAt(pos) === 'join' && memberships.every((step) => step.pos <= pos || step.membership === 'join');
}

/** Up to where a client knows a room's state that came with a token of this position; null when it knows nothing of it. */
function knownUpTo({ memberships }: ReaderHistory, pos: number): number | null {
  const before = memberships.filter((step) => step.pos <= pos);
  const joined = before.findLastIndex((step) => step.membership === 'join');
  if (joined === -1) return null;
  return before[joined + 1]?.pos ?? pos;
}

/** A room that the reader left, was banned from, or whose invitation it turned down. */
function leftPlan(request: RoomsRequest, room: RoomMembership, to: number, past: ReaderHistory): RoomPlan {
  const { memberships, history } = past;
  const known = fromOf(request, room);
  const from = known ?? 0;
  const base = { room, section: 'leave', isNew: false, newlyJoined: false, history, hides: true } as const;
  const last = memberships.at(-1);
  const isFresh = request.since?.resume?.isFresh === true;
  // This server is not in the room, so that the event has no place in a timeline.
  if (last?.nid !== room.eventNid) return { ...base, after: to, to, stateTo: to, state: 'none', onlyEvent: room.eventNid };
  const lastJoin = memberships.findLastIndex((step) => step.membership === 'join');
  const left = memberships[lastJoin + 1]!.pos;
  // A ban after a leave is the reader's business, what else happened in between is not.
  const end = { to: last.pos, stateTo: left };
  // Only that it is left: the client may think otherwise.
  if (isFresh) return { ...base, ...end, after: last.pos - 1, state: 'none' };
  if (lastJoin === -1 || left <= from) return { ...base, ...end, after: Math.min(from, last.pos), state: 'none' };
  const wasIn = from > 0 && history.membershipAt(from) === 'join';
  if (wasIn) return { ...base, ...end, after: from, state: 'changes' };
  return { ...base, ...end, after: 0, state: 'full', newlyJoined: known !== null, knows: known === null ? null : knownUpTo(past, from) };
}
