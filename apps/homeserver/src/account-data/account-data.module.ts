import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { AccountData } from './account-data.js';
import { AccountDataReplication } from './account-data-replication.js';
import { AccountDataStore } from './account-data.store.js';
import { AccountDataWriter } from './account-data-writer.js';
import { PushRules } from './push-rules/push-rules.js';
import { RoomMarks } from './room-marks.js';
import { Tags } from './tags.js';

/** What clients keep about an account: settings, tags, push rules. */
@Module({
  imports: [AccountsModule],
  providers: [AccountDataStore, AccountDataWriter, AccountData, RoomMarks, Tags, PushRules, AccountDataReplication],
  exports: [AccountDataStore, AccountDataWriter, AccountData, RoomMarks, Tags, PushRules],
})
export class AccountDataModule {}
