import { Injectable } from '@nestjs/common';
import { roomVersion, roomVersions, type RoomVersionRules } from '#federation';
import { AccountServers } from '../../accounts/account-servers.js';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';

/** Decides a new room's version (protocol §8: portable when every invitee's server supports it). */
@Injectable()
export class RoomVersionChoice {
  constructor(
    private readonly config: Config,
    private readonly servers: AccountServers,
  ) {}

  /**
   * What the request asks for; else what the operator set; else the portable version where the people of the room can use
   * it: the creator has several homes or somebody is invited, and everybody invited has a home record. Else the default.
   *
   * @param hasStrangers whether somebody is invited by an address
   * @throws MatrixError 400 `M_UNSUPPORTED_ROOM_VERSION`
   */
  async choose(creator: string, asked: string | undefined, invitees: readonly string[], hasStrangers = false): Promise<RoomVersionRules> {
    const id = asked ?? (this.config.defaultRoomVersionIsSet ? this.config.defaultRoomVersion : await this.#fitting(creator, invitees, hasStrangers));
    const rules = roomVersion(id);
    if (!rules) throw new MatrixError(400, 'M_UNSUPPORTED_ROOM_VERSION', `This server does not know room version ${id}`);
    return rules;
  }

  async #fitting(creator: string, invitees: readonly string[], hasStrangers: boolean): Promise<string> {
    const portable = roomVersions.find((rules) => rules.portable)!.id;
    // Whose server knows what cannot be told.
    if (hasStrangers) return this.config.defaultRoomVersion;
    const hasSeveralHomes = (await this.servers.of(creator)).length > 1;
    if (!hasSeveralHomes && invitees.length === 0) return this.config.defaultRoomVersion;
    for (const invitee of invitees) if (!(await this.servers.isPortable(invitee))) return this.config.defaultRoomVersion;
    return portable;
  }
}
