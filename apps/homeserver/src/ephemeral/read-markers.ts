import { Injectable } from '@nestjs/common';
import { parseStoredJson } from '#json';
import type { AccountChange } from '../accounts/account-ops.js';
import { AccountDataStore, type AccountDataEntry } from '../account-data/account-data.store.js';
import { AccountDataWriter } from '../account-data/account-data-writer.js';
import { isBehind } from './is-behind.js';
import { ReceiptsStore } from './receipts.store.js';
import { RoomAudience } from './room-audience.js';

/** As in account data, and in operations of the kind `read_marker`. */
export const FULLY_READ_TYPE = 'm.fully_read';

/**
 * The `m.fully_read` marker (Client-Server, "Fully read markers"): room account data that only this sets, and that goes forward
 * only, so that homes which hear of two markers in different orders agree.
 */
@Injectable()
export class ReadMarkers {
  constructor(
    private readonly audience: RoomAudience,
    private readonly accountData: AccountDataWriter,
    private readonly store: AccountDataStore,
    private readonly events: ReceiptsStore,
  ) {}

  /**
   * A marker that is behind the present one changes nothing.
   *
   * @throws MatrixError 403 when the user is not in the room
   */
  async setFullyRead(roomId: string, userId: string, eventId: string): Promise<void> {
    await this.audience.joinedRoom(roomId, userId);
    await this.#set(roomId, userId, eventId, true);
  }

  /** A marker that the account set at another of its homes. The room may still be on its way here. */
  async applyRemote(roomId: string, userId: string, eventId: string): Promise<void> {
    await this.#set(roomId, userId, eventId, false);
  }

  /** All markers of an account, as operations. */
  async all(userId: string): Promise<AccountChange[]> {
    const entries = (await this.store.everything(userId)).filter(({ type, roomId }) => type === FULLY_READ_TYPE && roomId !== '');
    return entries.flatMap((entry) => {
      const eventId = eventIdOf(entry.json);
      return eventId === undefined ? [] : [markerOp(entry.roomId, eventId)];
    });
  }

  async #set(roomId: string, userId: string, eventId: string, isOwn: boolean): Promise<void> {
    const present = eventIdOf(await this.store.get(userId, roomId, FULLY_READ_TYPE));
    if (present !== undefined) {
      const places = await this.events.places([present, eventId], roomId);
      if (isBehind(places.get(eventId), places.get(present))) return;
    }
    const json = JSON.stringify({ event_id: eventId });
    await this.accountData.submit({
      userId, roomId, type: FULLY_READ_TYPE, change: () => json, ops: () => (isOwn ? [markerOp(roomId, eventId)] : []),
    });
  }
}

function markerOp(roomId: string, eventId: string): AccountChange {
  return { kind: 'read_marker', key: JSON.stringify([roomId, FULLY_READ_TYPE, '']), value: { event_id: eventId, ts: 0 } };
}

function eventIdOf(json: AccountDataEntry['json'] | undefined): string | undefined {
  const { event_id: eventId } = (json === undefined ? {} : parseStoredJson(json)) as { event_id?: unknown };
  return typeof eventId === 'string' ? eventId : undefined;
}
