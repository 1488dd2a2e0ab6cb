import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { RegistrationNonces } from './registration-nonces.js';
import { OperatorController } from './operator.controller.js';
import { RestoreController } from './restore.controller.js';
import { RegistrationTokensController } from './registration-tokens.controller.js';
import { SharedSecretRegistrationController } from './shared-secret-registration.controller.js';

@Module({
  imports: [AuthModule],
  controllers: [SharedSecretRegistrationController, RegistrationTokensController, OperatorController, RestoreController],
  providers: [RegistrationNonces],
})
export class AdminApiModule {}
