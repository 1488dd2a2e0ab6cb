import { Module } from '@nestjs/common';
import { AccountOps } from './account-ops.js';
import { AccessTokenStore } from './access-token.store.js';
import { AccessTokens } from './access-tokens.js';
import { AccountDirectory } from './account-directory.js';
import { AccountErasureStore } from './account-erasure.store.js';
import { AccountStore } from './account.store.js';
import { Deactivation } from './deactivation.js';
import { DeviceStore } from './device.store.js';
import { RemovedDeviceStore } from './removed-device.store.js';
import { RemovedDevices } from './removed-devices.js';
import { Devices } from './devices.js';
import { LastSeen } from './last-seen.js';
import { PluggableAccountOps } from './pluggable-account-ops.js';
import { OpenSessions } from './open-sessions.js';
import { Moderation } from './moderation.js';
import { ProfileStore } from './profile.store.js';
import { Profiles } from './profiles.js';
import { RefreshTokens } from './refresh-tokens.js';

/** Accounts on this server: names, devices, sessions, profiles. */
@Module({
  providers: [
    PluggableAccountOps,
    { provide: AccountOps, useExisting: PluggableAccountOps },
    AccountStore, AccountErasureStore,
    AccountDirectory,
    AccessTokenStore,
    AccessTokens,
    OpenSessions,
    RefreshTokens,
    DeviceStore, RemovedDeviceStore, RemovedDevices,
    LastSeen,
    Devices,
    ProfileStore,
    Profiles,
    Deactivation,
    Moderation,
  ],
  exports: [
    PluggableAccountOps,
    AccountOps,
    AccountStore,
    AccountDirectory,
    AccessTokens,
    OpenSessions,
    RefreshTokens,
    Devices,
    ProfileStore,
    Profiles,
    Deactivation,
    Moderation,
  ],
})
export class AccountsModule {}
