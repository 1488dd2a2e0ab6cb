import { Module } from '@nestjs/common';
import { AdminApiModule } from './admin-api/admin-api.module.js';
import { AccountsApiModule } from './client-api/accounts-api.module.js';
import { HealthController } from './health.controller.js';
import { RecordsModule } from './homes/records/records.module.js';
import { HttpModule } from './http/http.module.js';

/** All parts of the server, on top of the core (core.module.ts). Each folder's module is one line here. */
@Module({
  imports: [HttpModule, RecordsModule, AccountsApiModule, AdminApiModule],
  controllers: [HealthController],
})
export class AppModule {}
