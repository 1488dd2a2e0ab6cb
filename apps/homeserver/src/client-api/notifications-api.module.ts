import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { NotificationsModule } from '../notifications/notifications.module.js';
import { PushModule } from '../push/push.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { NotificationsController } from './notifications/notifications.controller.js';
import { PushersController } from './pushers/pushers.controller.js';

/** Where people are notified, and of what they were, for clients. */
@Module({
  imports: [AuthModule, PushModule, SyncModule, NotificationsModule],
  controllers: [NotificationsController, PushersController],
})
export class NotificationsApiModule {}
