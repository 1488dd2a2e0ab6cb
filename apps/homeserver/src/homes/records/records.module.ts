import { Global, Module } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { AccountsModule } from '../../accounts/accounts.module.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import { NameDoor } from '../../rooms/remote/name-door.js';
import { ClaimedVersions } from '../../federation/claimed-versions.js';
import { AccountRecordStore } from './account-record.store.js';
import { Acquaintances } from './acquaintances.js';
import { DomainMeetings } from './domain-meetings.js';
import { DomainSilence } from './domain-silence.js';
import { ClaimedRecordVersions } from './claimed-record-versions.js';
import { Endorsements } from './endorsements.js';
import { FollowedRecords } from './followed-records.js';
import { HomeConsents } from './home-consents.js';
import { HomeDoor } from './home-door.js';
import { HomeKeyStore } from './home-key.store.js';
import { HomeKeys } from './home-keys.js';
import { HomeRecords } from './home-records.js';
import { NameWitnesses } from './name-witnesses.js';
import { RecordAdmission } from './record-admission.js';
import { RecordCheckStore } from './record-check.store.js';
import { RecordClaims } from './record-claims.js';
import { RecordExchange } from './record-exchange.js';
import { RecordRefresh } from './record-refresh.js';
import { OpenIdTokens } from '../openid/openid-tokens.js';
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
    DomainMeetings,
    DomainSilence,
    Endorsements,
    Acquaintances,
    NameWitnesses,
    RecordAdmission,
    HomeRecords,
    HomeConsents,
    RecordExchange,
    RecordClaims,
    OpenIdTokens,
    { provide: ClaimedVersions, useClass: ClaimedRecordVersions },
    RecordCheckStore,
    RecordRefresh,
    RoomRecords,
    FollowedRecords,
    { provide: HomeIdentities, useClass: StoredHomeIdentities },
    { provide: NameDoor, useClass: HomeDoor },
    { provide: AccountServers, useClass: RecordServers },
  ],
  exports: [
    AccountRecordStore, HomeKeyStore, HomeKeys, HomeRecords, FollowedRecords, HomeConsents, RecordExchange, RecordClaims, ClaimedVersions, RecordRefresh, RoomRecords, NameWitnesses, DomainSilence, OpenIdTokens,
    HomeIdentities, AccountServers, NameDoor,
  ],
})
export class RecordsModule {}
