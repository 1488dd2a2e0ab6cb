import { Global, Module } from '@nestjs/common';
import { serverNameOf } from '#federation';
import { AccountServers } from './accounts/account-servers.js';
import { HomeIdentities } from './accounts/identity/home-identities.js';
import { MatrixError } from './errors/matrix-error.js';

/** H9 REPLACES THIS: binds the seams until homes/ does. */
@Global()
@Module({
  providers: [
    { provide: AccountServers, useValue: { of: async (userId: string) => [serverNameOf(userId)], isPortable: async () => false } },
    { provide: HomeIdentities, useValue: { record: async () => { throw MatrixError.unrecognized(); }, signer: async () => { throw MatrixError.unrecognized(); } } },
  ],
  exports: [AccountServers, HomeIdentities],
})
export class TemporaryIdentityModule {}
