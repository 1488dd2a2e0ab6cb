import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { EphemeralModule } from '../ephemeral/ephemeral.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { FilterController } from './filter/filter.controller.js';
import { OldSyncController } from './old-sync/old-sync.controller.js';
import { PresenceController } from './presence/presence.controller.js';
import { ReadMarkersController } from './read-markers/read-markers.controller.js';
import { ReceiptsController } from './receipts/receipts.controller.js';
import { SlidingGateway } from './sliding-sync/sliding.gateway.js';
import { SlidingSyncController } from './sliding-sync/sliding-sync.controller.js';
import { ClientSockets } from './sync/client-sockets.js';
import { SyncController } from './sync/sync.controller.js';
import { SyncGateway } from './sync/sync.gateway.js';
import { TypingController } from './typing/typing.controller.js';

/** Synchronisation and what is sent beside events, for clients. */
@Module({
  imports: [AuthModule, SyncModule, EphemeralModule],
  controllers: [FilterController, OldSyncController, PresenceController, ReadMarkersController, ReceiptsController, SlidingSyncController, SyncController, TypingController],
  providers: [ClientSockets, SyncGateway, SlidingGateway],
})
export class SyncApiModule {}
