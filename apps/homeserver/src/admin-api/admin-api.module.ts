import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { RegistrationNonces } from './registration-nonces.js';
import { OperatorController } from './operator.controller.js';
import { ModerationModule } from '../moderation/moderation.module.js';
import { ReportsAdminController } from './reports.controller.js';
import { MediaModule } from '../media/media.module.js';
import { MediaQuarantineController } from './media-quarantine.controller.js';
import { RestoreController } from './restore.controller.js';
import { RegistrationTokensController } from './registration-tokens.controller.js';
import { SharedSecretRegistrationController } from './shared-secret-registration.controller.js';

@Module({
  imports: [AuthModule, MediaModule, ModerationModule],
  controllers: [SharedSecretRegistrationController, RegistrationTokensController, OperatorController, ReportsAdminController, MediaQuarantineController, RestoreController],
  providers: [RegistrationNonces],
})
export class AdminApiModule {}
