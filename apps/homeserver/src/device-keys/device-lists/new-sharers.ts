import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { Devices } from '../../accounts/devices.js';
import { Bus, type RoomCommitted } from '../../bus/bus.js';
import { EduOutbox } from '../../federation/outbox/edu-outbox.js';
import { Log } from '../../observability/log.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import { Database } from '../../storage/database.js';
import { DeviceLists } from './device-lists.js';

/**
 * Tells the servers that begin to share a room with an account, because it joined, of its devices (Server-Server, "Device Management").
 * What one of them remembers of an earlier time is old; the update names no predecessor, so that it fetches the list.
 */
@Injectable()
export class NewSharers implements OnModuleDestroy {
  readonly #unsubscribe: () => void;

  constructor(
    private readonly devices: Devices,
    private readonly lists: DeviceLists,
    private readonly memberships: Memberships,
    private readonly outbox: EduOutbox,
    private readonly db: Database,
    private readonly log: Log,
    bus: Bus,
  ) {
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind === 'room') this.#onRoom(message);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  #onRoom({ roomId, membershipChanges }: RoomCommitted): void {
    for (const { userId, membership, previous, isLocal } of membershipChanges) {
      if (!isLocal || membership !== 'join' || previous === 'join') continue;
      // Whom this does not reach asks when somebody writes to the devices.
      this.#tell(userId, roomId).catch((error: unknown) => this.log.error('servers were not told of the devices of somebody who joined', error, { roomId }));
    }
  }

  async #tell(userId: string, roomId: string): Promise<void> {
    const servers = await this.memberships.serversSharingOnly(userId, roomId);
    if (servers.length === 0) return;
    const { streamId, devices } = await this.lists.published(userId);
    const published = new Map(devices.map(({ device_id: id, ...device }) => [id, device]));
    const known = await this.devices.list(userId);
    await this.db.transaction(async (tx) => {
      for (const { deviceId } of known) {
        const content = { user_id: userId, device_id: deviceId, stream_id: streamId, prev_id: [], ...published.get(deviceId) };
        await this.outbox.sendReliable(tx, servers, { edu_type: 'm.device_list_update', content });
      }
    });
  }
}
