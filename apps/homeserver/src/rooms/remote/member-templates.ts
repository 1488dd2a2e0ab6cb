import { Injectable } from '@nestjs/common';
import { authStateKeys, isUserId, joinRuleOf, type JsonObject, pairedReferences, serverNameOf } from '#federation';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { RestrictedJoins } from '../membership/restricted-joins.js';
import { graphPosition } from '../pipeline/build-event.js';
import { RoomRegistry } from '../room-registry.js';
import type { Room } from '../room.js';
import { membershipOf } from '../state/room-state.js';
import { isAllowedByAcl } from './server-acl.js';

/** A membership event to be completed and signed by another server. */
export interface MemberTemplate {
  readonly room_version: string;
  readonly event: JsonObject;
}

/** Makes templates of membership events for other servers (Server-Server, `make_join`, `make_knock` and `make_leave`). */
@Injectable()
export class MemberTemplates {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly restricted: RestrictedJoins,
    private readonly clock: Clock,
  ) {}

  /**
   * @param versions room versions that the other server knows
   * @throws 404 `M_NOT_FOUND`, 403 `M_FORBIDDEN`, 400 `M_INCOMPATIBLE_ROOM_VERSION`, and what restricted rooms answer
   */
  async join(origin: string, roomId: string, userId: string, versions: readonly string[]): Promise<MemberTemplate> {
    const room = await this.residentRoom(roomId, origin);
    assertVersion(room, versions);
    assertOwnUser(room, origin, userId);
    const current = membershipOf(room.state.get('m.room.member', userId));
    if (current === 'ban') throw MatrixError.forbidden('The user is banned from the room');
    const authoriser = await this.restricted.authoriser(room, userId);
    const joinRule = joinRuleOf(room.state);
    if (joinRule !== 'public' && !authoriser && current !== 'invite' && current !== 'join') {
      throw MatrixError.forbidden('The user is not invited to the room');
    }
    return this.#template(room, userId, {
      membership: 'join', ...(authoriser ? { join_authorised_via_users_server: authoriser } : {}),
      ...(authoriser && room.rules.portable ? { 'io.partyline.authorised_home': room.state.serverName } : {}),
    });
  }

  /**
   * @param versions room versions that the other server knows
   * @throws 404 `M_NOT_FOUND`, 403 `M_FORBIDDEN` also where nobody can knock, 400 `M_INCOMPATIBLE_ROOM_VERSION`
   */
  async knock(origin: string, roomId: string, userId: string, versions: readonly string[]): Promise<MemberTemplate> {
    const room = await this.residentRoom(roomId, origin);
    assertVersion(room, versions);
    assertOwnUser(room, origin, userId);
    if (!hasKnocking(room)) throw MatrixError.forbidden('The room is not one at which anybody can knock');
    const current = membershipOf(room.state.get('m.room.member', userId));
    if (current === 'ban' || current === 'invite' || current === 'join') throw MatrixError.forbidden('The user is banned, invited or in the room');
    return this.#template(room, userId, { membership: 'knock' });
  }

  async leave(origin: string, roomId: string, userId: string): Promise<MemberTemplate> {
    const room = await this.residentRoom(roomId, origin);
    assertOwnUser(room, origin, userId);
    const current = membershipOf(room.state.get('m.room.member', userId));
    if (current !== 'join' && current !== 'invite' && current !== 'knock') throw MatrixError.forbidden('The user is not in the room');
    return this.#template(room, userId, { membership: 'leave' });
  }

  /** The room, if this server takes part in it and the other one may. */
  async residentRoom(roomId: string, origin: string): Promise<Room> {
    const room = await this.registry.find(roomId);
    if (!room?.state.isResident) throw MatrixError.notFound('This server is not in the room');
    if (!isAllowedByAcl(room.state, origin)) throw MatrixError.forbidden(`${origin} is not allowed in this room`);
    return room;
  }

  #template(room: Room, userId: string, content: JsonObject): MemberTemplate {
    const draft = room.peek();
    const event = {
      type: 'm.room.member', room_id: room.id, sender: userId, state_key: userId, content,
      origin_server_ts: this.clock.now(), ...graphPosition(draft),
    };
    const authEvents = authStateKeys(event, room.rules).map(([type, stateKey]) => draft.entry(type, stateKey)?.event.eventId);
    const references = { prev_events: event.prev_events, auth_events: authEvents.filter((id) => id !== undefined) };
    if (room.rules.eventId === 'chosen') {
      references.prev_events = pairedReferences(references.prev_events);
      references.auth_events = pairedReferences(references.auth_events);
    }
    return { room_version: room.rules.id, event: { ...event, ...references } };
  }
}

function assertVersion({ rules }: Room, versions: readonly string[]): void {
  if (versions.includes(rules.id)) return;
  throw new MatrixError(400, 'M_INCOMPATIBLE_ROOM_VERSION', `Your server does not know room version ${rules.id}`, { room_version: rules.id });
}

/** Whether the join rule has a door to knock at (auth rule 4.7.1). */
function hasKnocking({ rules, state }: Room): boolean {
  const joinRule = joinRuleOf(state);
  return (rules.knocking && joinRule === 'knock') || (rules.knockRestricted && joinRule === 'knock_restricted');
}

/** In standard rooms a server speaks for the users of its own name; in portable ones the signed event will prove it. */
function assertOwnUser(room: Room, origin: string, userId: string): void {
  if (!isUserId(userId, { historical: true })) throw MatrixError.invalidParam('This is no user id');
  if (!room.rules.portable && serverNameOf(userId) !== origin) throw MatrixError.forbidden(`${origin} cannot speak for ${userId}`);
}
