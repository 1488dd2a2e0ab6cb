import { Global, Module } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { AccountsModule } from '../../accounts/accounts.module.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { AccountRecordStore } from './account-record.store.js';
import { Endorsements } from './endorsements.js';
import { HomeConsents } from './home-consents.js';
import { HomeKeyStore } from './home-key.store.js';
import { HomeKeys } from './home-keys.js';
import { HomeRecords } from './home-records.js';
import { RecordRefresh } from './record-refresh.js';
import { RecordServers } from './record-servers.js';
import { RoomRecords } from './room-records.js';
import { StoredHomeIdentities } from './stored-home-identities.js';

/** Home records and the keys to them. Global, because folders below ask through HomeIdentities and AccountServers. */
@Global()
@Module({
  imports: [AccountsModule],
  providers: [
    AccountRecordStore,
    HomeKeyStore,
    HomeKeys,
    Endorsements,
    HomeRecords,
    HomeConsents,
    RecordRefresh,
    RoomRecords,
    { provide: HomeIdentities, useClass: StoredHomeIdentities },
    { provide: AccountServers, useClass: RecordServers },
  ],
  exports: [AccountRecordStore, HomeKeyStore, HomeKeys, HomeRecords, HomeConsents, RecordRefresh, RoomRecords, HomeIdentities, AccountServers],
})
export class RecordsModule {}
