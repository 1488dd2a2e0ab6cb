import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { RegistrationNonces } from './registration-nonces.js';
import { OperatorController } from './operator.controller.js';
import { ModerationModule } from '../moderation/moderation.module.js';
import { ReportsAdminController } from './reports.controller.js';
import { RestoreController } from './restore.controller.js';
import { RegistrationTokensController } from './registration-tokens.controller.js';
import { SharedSecretRegistrationController } from './shared-secret-registration.controller.js';

@Module({
  imports: [AuthModule, ModerationModule],
  controllers: [SharedSecretRegistrationController, RegistrationTokensController, OperatorController, ReportsAdminController, RestoreController],
  providers: [RegistrationNonces],
})
export class AdminApiModule {}
