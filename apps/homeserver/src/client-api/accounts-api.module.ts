import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { FederationModule } from '../federation/federation.module.js';
import { PushModule } from '../push/push.module.js';
import { AccountController } from './account/account.controller.js';
import { AccountModerationController } from './administration/account-moderation.controller.js';
import { CallsController } from './calls/calls.controller.js';
import { CapabilitiesController } from './capabilities/capabilities.controller.js';
import { DevicesController } from './devices/devices.controller.js';
import { LoginController } from './login/login.controller.js';
import { LogoutController } from './logout/logout.controller.js';
import { ProfileController } from './profile/profile.controller.js';
import { RegistrationController } from './registration/registration.controller.js';
import { ThirdPartyController } from './third-party/third-party.controller.js';
import { VersionsController } from './versions/versions.controller.js';
import { WellKnownController } from './well-known/well-known.controller.js';

/** Accounts, sessions and profiles for clients, and what they ask before they have any. */
@Module({
  imports: [AuthModule, PushModule, FederationModule],
  controllers: [
    AccountController,
    AccountModerationController,
    CallsController,
    CapabilitiesController,
    DevicesController,
    LoginController,
    LogoutController,
    ProfileController,
    RegistrationController,
    ThirdPartyController,
    VersionsController,
    WellKnownController,
  ],
})
export class AccountsApiModule {}
