import { Injectable } from '@nestjs/common';
import { powerLevelsOf, type RoomVersionRules, type StateReader } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';

/** Whether the join rule lets in members of other rooms (Client-Server, "Restricted rooms"). */
export function isRestricted(state: StateReader, rules: RoomVersionRules): boolean {
  const rule = state.get('m.room.join_rules', '')?.pdu.content['join_rule'];
  return (rules.restrictedJoins && rule === 'restricted') || (rules.knockRestricted && rule === 'knock_restricted');
}

/** The rooms whose members the join rule lets in; none for other rules. */
export function allowedRoomIds(state: StateReader, rules: RoomVersionRules): string[] {
  const allow = isRestricted(state, rules) ? state.get('m.room.join_rules', '')?.pdu.content['allow'] : undefined;
  return (Array.isArray(allow) ? allow : []).flatMap((condition) => {
    const { type, room_id: roomId } = (condition ?? {}) as Record<string, unknown>;
    return type === 'm.room_membership' && typeof roomId === 'string' ? [roomId] : [];
  });
}

/** Finds who authorises a join to a restricted room. */
@Injectable()
export class RestrictedJoins {
  constructor(private readonly registry: RoomRegistry) {}

  /**
   * A joined local member who may invite, to stand in the join as its authoriser; undefined where the join needs none
   * (another rule, or an invited or joined user).
   *
   * @throws 403 `M_FORBIDDEN` when the user fulfils no condition; 400 `M_UNABLE_TO_AUTHORISE_JOIN` when this server cannot
   *   tell; 400 `M_UNABLE_TO_GRANT_JOIN` when none of its users may invite
   */
  async authoriser(room: Room, userId: string): Promise<string | undefined> {
    const { state, rules } = room;
    if (!isRestricted(state, rules)) return undefined;
    const current = membershipOf(state.get('m.room.member', userId));
    if (current === 'join' || current === 'invite') return undefined;
    await this.#assertCondition(room, userId);
    const levels = powerLevelsOf(state, rules);
    const inviter = state.localJoined.find((member) => levels.user(member) >= levels.invite);
    if (!inviter) throw new MatrixError(400, 'M_UNABLE_TO_GRANT_JOIN', 'No user of this server may invite to the room');
    return inviter;
  }

  async #assertCondition(room: Room, userId: string): Promise<void> {
    let isUnsure = false;
    for (const roomId of allowedRoomIds(room.state, room.rules)) {
      const other = await this.registry.find(roomId);
      if (!other?.state.isResident) isUnsure = true;
      else if (other.state.joined.has(userId)) return;
    }
    if (isUnsure) throw new MatrixError(400, 'M_UNABLE_TO_AUTHORISE_JOIN', 'This server cannot tell whether the user may join');
    throw MatrixError.forbidden('You are in none of the rooms whose members may join this one');
  }
}
