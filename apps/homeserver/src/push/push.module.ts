import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { PushRuleCache } from './push-rule-cache.js';

/** Who is to be notified of what. */
@Module({
  imports: [AccountDataModule],
  providers: [PushRuleCache],
  exports: [PushRuleCache],
})
export class PushModule {}
