import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { EphemeralModule } from '../ephemeral/ephemeral.module.js';
import { HomesModule } from '../homes/homes.module.js';
import { PushModule } from '../push/push.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { BadgeUpdates } from './badge-updates.js';
import { Badges } from './badges.js';
import { NotifiedEvents } from './notified-events.js';
import { PushDelivery } from './push-delivery.js';
import { PushFeed } from './push-feed.js';
import { PushGateway } from './push-gateway.js';
import { PushSender } from './push-sender.js';
import { PushTurns } from './push-turns.js';
import { PushesStore } from './pushes.store.js';
import { PusherConfirmations } from './pusher-confirmations.js';
import { RoomFactsReader } from './room-facts.js';
import { WebPushService } from './web-push-service.js';

/** Pushes: what is committed, whom it notifies, and how that gets to his devices. */
@Module({
  imports: [AccountsModule, AccountDataModule, EphemeralModule, PushModule, SyncModule, HomesModule],
  providers: [PushesStore, PushTurns, RoomFactsReader, NotifiedEvents, Badges, PushGateway, WebPushService, PushDelivery, PushSender, PushFeed, BadgeUpdates, PusherConfirmations],
  exports: [PusherConfirmations],
})
export class NotificationsModule {}
