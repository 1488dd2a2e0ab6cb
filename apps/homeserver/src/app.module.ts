import { Module } from '@nestjs/common';
import { AdminApiModule } from './admin-api/admin-api.module.js';
import { AccountStorageApiModule } from './client-api/account-storage-api.module.js';
import { AccountsApiModule } from './client-api/accounts-api.module.js';
import { HomesApiModule } from './client-api/homes-api.module.js';
import { MediaApiModule } from './client-api/media-api.module.js';
import { NotificationsApiModule } from './client-api/notifications-api.module.js';
import { RoomsApiModule } from './client-api/rooms-api.module.js';
import { SyncApiModule } from './client-api/sync-api.module.js';
import { FederationApiModule } from './federation-api/federation-api.module.js';
import { HomesFederationApiModule } from './federation-api/homes-federation-api.module.js';
import { MediaFederationApiModule } from './federation-api/media-federation-api.module.js';
import { HealthController } from './health.controller.js';
import { HomesModule } from './homes/homes.module.js';
import { RecordsModule } from './homes/records/records.module.js';
import { HttpModule } from './http/http.module.js';
import { NotificationsModule } from './notifications/notifications.module.js';
import { RoomsModule } from './rooms/rooms.module.js';
import { WebModule } from './web/web.module.js';

/** All parts of the server, on top of the core (core.module.ts). Each folder's module is one line here. */
@Module({
  imports: [HttpModule, RoomsModule, RoomsApiModule, SyncApiModule, FederationApiModule, RecordsModule, HomesModule, NotificationsModule, NotificationsApiModule, HomesApiModule, HomesFederationApiModule, AccountsApiModule, AccountStorageApiModule, MediaApiModule, MediaFederationApiModule, AdminApiModule, WebModule],
  controllers: [HealthController],
})
export class AppModule {}
