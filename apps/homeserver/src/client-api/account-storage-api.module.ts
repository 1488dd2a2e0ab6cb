import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AuthModule } from '../auth/auth.module.js';
import { DeviceKeysModule } from '../device-keys/device-keys.module.js';
import { AccountDataController } from './account-data/account-data.controller.js';
import { DehydratedDeviceController } from './keys/dehydrated-device.controller.js';
import { KeyBackupController } from './keys/key-backup.controller.js';
import { KeysController } from './keys/keys.controller.js';
import { PushRulesController } from './push-rules/push-rules.controller.js';
import { SendToDeviceController } from './send-to-device/send-to-device.controller.js';
import { TagsController } from './tags/tags.controller.js';

/** Keys and messages of devices for clients, and what clients keep about their account. */
@Module({
  imports: [AuthModule, AccountDataModule, DeviceKeysModule],
  controllers: [AccountDataController, DehydratedDeviceController, KeyBackupController, KeysController, PushRulesController, SendToDeviceController, TagsController],
})
export class AccountStorageApiModule {}
