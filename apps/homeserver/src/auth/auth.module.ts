import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { Authenticator } from './authenticator.js';
import { FirstRunAdmin } from './first-run-admin.js';
import { LoginTokens } from './login-tokens.js';
import { LoginTypes } from './login-types.js';
import { PasswordChange } from './password-change.js';
import { PasswordLogin } from './password-login.js';
import { Passwords } from './passwords.js';
import { RegistrationAttempts } from './registration-attempts.js';
import { Registration } from './registration.js';
import { RegistrationTokens } from './registration-tokens.js';
import { Sessions } from './sessions.js';
import { UserInteractiveAuth } from './user-interactive-auth.js';
import { UserNames } from './user-names.js';

/** Who somebody is and how they become somebody here. */
@Module({
  imports: [AccountsModule],
  providers: [
    Authenticator,
    FirstRunAdmin,
    LoginTokens,
    LoginTypes,
    PasswordChange,
    PasswordLogin,
    Passwords,
    Registration,
    RegistrationAttempts,
    RegistrationTokens,
    Sessions,
    UserInteractiveAuth,
    UserNames,
  ],
  exports: [
    AccountsModule,
    Authenticator,
    FirstRunAdmin,
    LoginTokens,
    LoginTypes,
    PasswordChange,
    Passwords,
    Registration,
    RegistrationTokens,
    Sessions,
    UserInteractiveAuth,
    UserNames,
  ],
})
export class AuthModule {}
