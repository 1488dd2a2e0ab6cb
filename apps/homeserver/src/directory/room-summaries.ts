import { Injectable } from '@nestjs/common';
import { MatrixError } from '../errors/matrix-error.js';
import { RoomAddresses } from '../rooms/membership/room-address.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { RoomPreviews } from './room-previews.js';
import { type RoomSummary, summaryOf } from './room-summary.js';
import { RemoteSpaces } from './spaces/remote-spaces.js';

/** Summaries of single rooms (client-server/room_summary.yaml). */
@Injectable()
export class RoomSummaryReader {
  constructor(
    private readonly addresses: RoomAddresses,
    private readonly registry: RoomRegistry,
    private readonly previews: RoomPreviews,
    private readonly remote: RemoteSpaces,
  ) {}

  /**
   * @param userId null for somebody without an account: of rooms that this server is in only
   * @throws MatrixError 404 M_NOT_FOUND also for rooms that are not for the user
   */
  async of(userId: string | null, roomIdOrAlias: string, via: readonly string[]): Promise<RoomSummary & { readonly membership?: string }> {
    const { roomId, servers } = await this.addresses.resolve(roomIdOrAlias, via);
    const summary = await this.#summary(userId, roomId, servers);
    if (!summary) throw MatrixError.notFound('No such room, or not one for you');
    const membership = userId === null ? undefined : ((await this.previews.membershipOf(userId, roomId)) ?? 'leave');
    return { ...summary, ...(membership === undefined ? {} : { membership }) };
  }

  async #summary(userId: string | null, roomId: string, servers: readonly string[]): Promise<RoomSummary | undefined> {
    const room = await this.registry.find(roomId);
    if (room?.state.isResident) {
      const summary = summaryOf(room);
      return (await this.previews.mayUser(userId, room, summary)) ? summary : undefined;
    }
    if (userId === null) return undefined;
    const told = (await this.remote.of(roomId, servers))?.room.summary;
    return told && (await this.previews.mayUserByTale(userId, told)) ? told : undefined;
  }
}
