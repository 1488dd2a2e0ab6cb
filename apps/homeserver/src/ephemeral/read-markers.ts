import { Injectable } from '@nestjs/common';
import { AccountDataWriter } from '../account-data/account-data-writer.js';
import { RoomAudience } from './room-audience.js';

/** The `m.fully_read` marker (Client-Server, "Fully read markers"): room account data that only this sets. */
@Injectable()
export class ReadMarkers {
  constructor(
    private readonly audience: RoomAudience,
    private readonly accountData: AccountDataWriter,
  ) {}

  /** @throws MatrixError 403 when the user is not in the room */
  async setFullyRead(roomId: string, userId: string, eventId: string): Promise<void> {
    await this.audience.joinedRoom(roomId, userId);
    await this.accountData.set(userId, roomId, 'm.fully_read', JSON.stringify({ event_id: eventId }));
  }
}
