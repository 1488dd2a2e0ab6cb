import { Global, Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { PduReceiver } from '../federation/pdu-receiver.js';
import { RoomAliasLookup } from '../federation/room-alias-lookup.js';
import { RoomCreator } from './creation/room-creator.js';
import { RoomVersionChoice } from './creation/room-version-choice.js';
import { AliasesStore } from './directory/aliases.store.js';
import { DelayedEvents } from './delayed/delayed-events.js';
import { DelayedEventsStore } from './delayed/delayed-events.store.js';
import { DelayedSender } from './delayed/delayed-sender.js';
import { LocalAliases } from './directory/local-aliases.js';
import { Backfiller } from './history/backfiller.js';
import { EventTimesStore } from './history/event-times.store.js';
import { HistoryFetcher } from './history/history-fetcher.js';
import { HistoryWriter } from './history/history-writer.js';
import { HistoryStore } from './history/history.store.js';
import { Newcomers } from './history/newcomers.js';
import { ServerHistory } from './history/server-history.js';
import { ServerVisibility } from './history/server-visibility.js';
import { NamedPersons } from './pipeline/named-persons.js';
import { UnnamedLevels } from './pipeline/unnamed-levels.js';
import { CanonicalAliases } from './directory/canonical-aliases.js';
import { GuestAccess } from './membership/guest-access.js';
import { Inviter } from './membership/inviter.js';
import { AccountFollowUps } from './membership/account-follow-ups.js';
import { InvitationReplication } from './membership/invitation-replication.js';
import { InvitePolicy } from './membership/invite-policy.js';
import { Joiner } from './membership/joiner.js';
import { LocalMembershipsStore } from './membership/local-memberships.store.js';
import { Knocker } from './membership/knocker.js';
import { MemberChanges } from './membership/member-changes.js';
import { MemberHandshake } from './membership/member-handshake.js';
import { Memberships } from './membership/memberships.js';
import { OutsideMemberships } from './membership/outside-memberships.js';
import { ProfileTellings } from './membership/profile-tellings.js';
import { RemoteJoiner } from './membership/remote-joiner.js';
import { RemoteLeaver } from './membership/remote-leaver.js';
import { RestrictedJoins } from './membership/restricted-joins.js';
import { RoomAddresses } from './membership/room-address.js';
import { RoomServers } from './membership/room-servers.js';
import { AcceptEvent } from './pipeline/accept-event.js';
import { CommitService } from './pipeline/commit.service.js';
import { CommitStore } from './pipeline/commit.store.js';
import { SentRelations } from './relations/sent-relations.js';
import { RelationRowsStore } from './relations/relation-rows.store.js';
import { CurrentState } from './pipeline/current-state.js';
import { InvitationLog } from './pipeline/invitation-log.js';
import { InvitationsStore } from './pipeline/invitations.store.js';
import { EventSender } from './pipeline/event-sender.js';
import { EventSigners } from './pipeline/event-signers.js';
import { BesideCurrent } from './pipeline/beside-current.js';
import { LastWords } from './pipeline/last-words.js';
import { Replication } from './pipeline/replication.js';
import { RoomEnds } from './pipeline/room-ends.js';
import { RoomSender } from './pipeline/room-sender.js';
import { Redactions } from './pipeline/redactions.js';
import { Twins } from './pipeline/twins.js';
import { AbsentRooms } from './remote/absent-rooms.js';
import { AskBudget } from './remote/ask-budget.js';
import { InviteReceiver } from './remote/invite-receiver.js';
import { InviteRetractions } from './remote/invite-retractions.js';
import { MemberReceiver } from './remote/member-receiver.js';
import { MemberTemplates } from './remote/member-templates.js';
import { MissingEvents } from './remote/missing-events.js';
import { Outliers } from './remote/outliers.js';
import { PduVerifier } from './remote/pdu-verifier.js';
import { RoomArrivals } from './remote/room-arrivals.js';
import { RoomImporter } from './remote/room-importer.js';
import { RoomReceiver } from './remote/room-receiver.js';
import { UnspreadEnds } from './remote/unspread-ends.js';
import { FollowedSettings } from './upgrades/followed-settings.js';
import { RoomSuccessions } from './upgrades/room-successions.js';
import { RoomUpgrader } from './upgrades/room-upgrader.js';
import { RoomRegistry } from './room-registry.js';
import { RoomsStore } from './rooms.store.js';
import { HomeSignatures } from './state/home-signatures.js';
import { StandingServers } from './state/standing-servers.js';
import { SnapshotsStore } from './state/snapshots.store.js';
import { StateResolver } from './state/state-resolver.js';
import { WholeState } from './state/whole-state.js';
import { StateValuesStore } from './state/state-values.store.js';
import { IdentityServers } from './third-party/identity-servers.js';
import { ThirdPartyExchange } from './third-party/third-party-exchange.js';
import { ThirdPartyInviter } from './third-party/third-party-inviter.js';
import { PolicyServers } from './policy/policy-servers.js';
import { ExpiredMessages } from './retention/expired-messages.js';
import { RetentionStore } from './retention/retention.store.js';
import { EventsStore } from './timeline/events.store.js';
import { RoomAccess } from './timeline/room-access.js';

const providers = [
  RoomsStore, EventsStore, SnapshotsStore, CommitStore, RelationRowsStore, SentRelations, InvitationsStore, InvitationLog, CommitService, HomeSignatures, StateResolver, WholeState, RoomRegistry,
  EventSigners, EventSender, NamedPersons, UnnamedLevels, Twins, Redactions, RoomEnds, CurrentState, BesideCurrent, LastWords, AcceptEvent, RoomSender, Replication,
  AliasesStore, CanonicalAliases, RoomAddresses, RoomServers, LocalMembershipsStore, Memberships, Inviter, Joiner, Knocker, RestrictedJoins, MemberHandshake, RemoteJoiner, RemoteLeaver,
  OutsideMemberships, InvitationReplication, MemberChanges, InvitePolicy, AccountFollowUps, ProfileTellings, GuestAccess, RoomCreator, RoomVersionChoice, PolicyServers, RetentionStore, ExpiredMessages, FollowedSettings, RoomSuccessions, RoomUpgrader,
  PduVerifier, Outliers, MissingEvents, RoomArrivals, RoomImporter, InviteRetractions, AbsentRooms, AskBudget, RoomReceiver, UnspreadEnds, RoomAccess,
  StandingServers, StateValuesStore, HistoryStore, EventTimesStore, HistoryFetcher, HistoryWriter, Backfiller, Newcomers, ServerVisibility, ServerHistory,
  MemberTemplates, MemberReceiver, InviteReceiver, IdentityServers, ThirdPartyInviter, ThirdPartyExchange,
  DelayedEventsStore, DelayedSender, DelayedEvents,
];

/** The rooms: the one writer of events, their state, timelines and memberships. Global: nearly everything above asks them. */
@Global()
@Module({
  imports: [AccountsModule, AccountDataModule],
  providers: [
    ...providers,
    { provide: PduReceiver, useExisting: RoomReceiver },
    { provide: RoomAliasLookup, useClass: LocalAliases },
  ],
  exports: [...providers, PduReceiver, RoomAliasLookup],
})
export class RoomsModule {}
