import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { HomesModule } from '../homes/homes.module.js';
import { RecordsModule } from '../homes/records/records.module.js';
import { AccountReplicationController } from './homes/account-replication.controller.js';
import { AttachController } from './homes/attach.controller.js';
import { RecordsController } from './homes/records.controller.js';

/** Accounts with several homes, between servers. */
@Module({
  imports: [AccountsModule, HomesModule, RecordsModule],
  controllers: [AccountReplicationController, AttachController, RecordsController],
})
export class HomesFederationApiModule {}
