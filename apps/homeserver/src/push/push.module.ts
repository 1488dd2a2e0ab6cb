import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { PushRuleCache } from './push-rule-cache.js';
import { PushAddresses } from './pushers/push-address.js';
import { PusherReplication } from './pushers/pusher-replication.js';
import { Pushers } from './pushers/pushers.js';
import { PushersStore } from './pushers/pushers.store.js';
import { VapidKeys } from './web-push/vapid-keys.js';

/** Who is to be notified of what, and where. */
@Module({
  imports: [AccountsModule, AccountDataModule],
  providers: [PushRuleCache, PushersStore, Pushers, PushAddresses, PusherReplication, VapidKeys],
  exports: [PushRuleCache, Pushers, PushAddresses, VapidKeys],
})
export class PushModule {}
