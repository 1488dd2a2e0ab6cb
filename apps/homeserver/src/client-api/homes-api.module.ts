import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { DeviceKeysModule } from '../device-keys/device-keys.module.js';
import { HomesModule } from '../homes/homes.module.js';
import { RecordsModule } from '../homes/records/records.module.js';
import { AccountHomesController } from './homes/account-homes.controller.js';
import { HomeAcknowledgementHook } from './homes/home-acknowledgement.hook.js';
import { RoutingController } from './homes/routing.controller.js';
import { OpenIdController } from './openid/openid.controller.js';

/** Accounts with several homes, for clients. */
@Module({
  imports: [AuthModule, DeviceKeysModule, HomesModule, RecordsModule],
  controllers: [AccountHomesController, OpenIdController, RoutingController],
  providers: [HomeAcknowledgementHook],
})
export class HomesApiModule {}
