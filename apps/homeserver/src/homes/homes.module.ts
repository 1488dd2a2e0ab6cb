import { Global, Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { EphemeralModule } from '../ephemeral/ephemeral.module.js';
import { DeviceKeysModule } from '../device-keys/device-keys.module.js';
import { AccountVector } from '../sync/account-vector.js';
import { ResumePoints } from '../sync/resume-points.js';
import { AccountHomes } from './attach/account-homes.js';
import { Arrivals } from './attach/arrivals.js';
import { ArrivalsStore } from './attach/arrivals.store.js';
import { Foundings } from './attach/foundings.js';
import { UnprovenNames } from './attach/unproven-names.js';
import { HomeOffers } from './attach/home-offers.js';
import { KnownServers } from './attach/known-servers.js';
import { RecordPublication } from './attach/record-publication.js';
import { RecordSpread } from './attach/record-spread.js';
import { RecordTellingsStore } from './attach/record-tellings.store.js';
import { ReplicaRequests } from './attach/replica-requests.js';
import { RoomAttacher } from './attach/room-attacher.js';
import { RoomCopies } from './attach/room-copies.js';
import { RoomSurvey } from './attach/room-survey.js';
import { RoomTellings } from './attach/room-tellings.js';
import { RoomTellingsStore } from './attach/room-tellings.store.js';
import { ServedAccounts } from './attach/served-accounts.js';
import { AccountEnd } from './login/account-end.js';
import { AccountKeyLogin } from './login/account-key-login.js';
import { AccountKeyProofs } from './login/account-key-proofs.js';
import { HeardHomes } from './login/heard-homes.js';
import { LoginNonces } from './login/login-nonces.js';
import { AccountCopies } from './ops/account-copies.js';
import { AccountDigests } from './ops/account-digests.js';
import { AccountLogsStore } from './ops/account-logs.store.js';
import { AccountPeersStore } from './ops/account-peers.store.js';
import { AccountVectors } from './ops/account-vectors.js';
import { DigestExchange } from './ops/digest-exchange.js';
import { HomeAcknowledgements } from './ops/home-acknowledgements.js';
import { FormerRecords } from './ops/former-records.js';
import { FormerRecordsStore } from './ops/former-records.store.js';
import { HeadSignatures } from './ops/head-signatures.js';
import { HomeRequests } from './ops/home-requests.js';
import { LogBackfill } from './ops/log-backfill.js';
import { LogLoader } from './ops/log-loader.js';
import { LogPagesStore } from './ops/log-pages.store.js';
import { LogReport } from './ops/log-report.js';
import { LogSizes } from './ops/log-sizes.js';
import { LogSizesStore } from './ops/log-sizes.store.js';
import { LogStandings } from './ops/log-standings.js';
import { OperationApplier } from './ops/operation-applier.js';
import { OperationExchange } from './ops/operation-exchange.js';
import { OperationLog } from './ops/operation-log.js';
import { BroughtOperations } from './ops/brought-operations.js';
import { OperationMerge } from './ops/operation-merge.js';
import { OperationPages } from './ops/operation-pages.js';
import { OperationProofs } from './ops/operation-proofs.js';
import { OperationPull } from './ops/operation-pull.js';
import { OperationsStore } from './ops/operations.store.js';
import { RewrittenWrites } from './ops/rewritten-writes.js';
import { PeerHeads } from './ops/peer-heads.js';
import { RefusedOperationsStore } from './ops/refused-operations.store.js';
import { ReturningAccounts } from './ops/returning-accounts.js';
import { SharedAccounts } from './ops/shared-accounts.js';
import { WaitingOperations } from './ops/waiting-operations.js';
import { UnsettledItemsStore } from './ops/unsettled-items.store.js';
import { RoomNames } from './routing/room-names.js';
import { RoomReach } from './routing/room-reach.js';
import { AfterRestore } from './restore/after-restore.js';
import { RestoredRoomsStore } from './restore/restored-rooms.store.js';
import { RoomCatchUp } from './restore/room-catch-up.js';
import { EndedAccounts } from './ops/ended-accounts.js';
import { RecordsModule } from './records/records.module.js';
import { ComparisonsStore } from './attach/comparisons.store.js';
import { ReplicaComparison } from './attach/replica-comparison.js';
import { LastWordsSpread } from './attach/last-words-spread.js';
import { HomeGate } from './routing/home-gate.js';
import { PastMembers } from './routing/past-members.js';
import { FrontierFetch } from './resume/frontier-fetch.js';
import { ResumeStore } from './resume/resume.store.js';
import { ResumeTurns } from './resume/resume-turns.js';
import { RoomResumes } from './resume/room-resumes.js';
import { SyncResume } from './resume/sync-resume.js';

/** Accounts with several homes: moving in, replication, login by account key, exact resume. Global, because the sync asks. */
@Global()
@Module({
  imports: [AuthModule, RecordsModule, DeviceKeysModule, EphemeralModule],
  providers: [
    LoginNonces, HeardHomes, AccountEnd, AccountKeyProofs, AccountKeyLogin,
    HomeOffers, RecordPublication, RecordTellingsStore, KnownServers, RecordSpread, RoomTellingsStore, RoomTellings, ServedAccounts, ArrivalsStore, Arrivals, ReplicaRequests, RoomSurvey, RoomAttacher, RoomCopies, LastWordsSpread, AccountHomes,
    AccountLogsStore, OperationsStore, LogPagesStore, RefusedOperationsStore, LogSizesStore, LogSizes, UnsettledItemsStore, AccountPeersStore, SharedAccounts, FormerRecordsStore, FormerRecords, HeadSignatures, AccountVectors, AccountDigests, OperationLog, LogLoader, LogBackfill,
    LogStandings, LogReport, ReturningAccounts, WaitingOperations, OperationApplier, RewrittenWrites, BroughtOperations, OperationMerge, OperationPages, OperationProofs, OperationPull, PeerHeads, DigestExchange, HomeAcknowledgements,
    OperationExchange, HomeRequests, AccountCopies, EndedAccounts,
    RestoredRoomsStore, RoomCatchUp, AfterRestore,
    Foundings, UnprovenNames, RoomNames,
    ComparisonsStore, ReplicaComparison,
    RoomReach, HomeGate, PastMembers,
    ResumeStore, ResumeTurns, RoomResumes, FrontierFetch, SyncResume,
    { provide: AccountVector, useExisting: AccountVectors },
    { provide: ResumePoints, useExisting: SyncResume },
  ],
  exports: [
    LoginNonces, HeardHomes, SharedAccounts, HomeOffers, RecordPublication, RecordSpread, KnownServers, RoomCopies, AccountHomes, AccountCopies, OperationExchange, OperationProofs, HomeRequests, DigestExchange, OperationLog, HomeAcknowledgements, RoomReach, RoomNames, SyncResume, Arrivals,
    AccountVector, ResumePoints,
  ],
})
export class HomesModule {}
