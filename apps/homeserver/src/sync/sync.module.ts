import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { DeviceKeysModule } from '../device-keys/device-keys.module.js';
import { DirectoryModule } from '../directory/directory.module.js';
import { EphemeralModule } from '../ephemeral/ephemeral.module.js';
import { PushModule } from '../push/push.module.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { PresenceSection } from './engine/presence-section.js';
import { RoomExtrasReader } from './engine/room-extras.js';
import { RoomPlanner } from './engine/room-planner.js';
import { RoomSectionsWriter } from './engine/room-sections.js';
import { RoomSizes } from './engine/room-sizes.js';
import { RoomStates } from './engine/room-states.js';
import { RoomTimelines } from './engine/room-timelines.js';
import { ShownStates } from './engine/shown-states.js';
import { SyncEngine } from './engine/sync-engine.js';
import { Filters } from './filter/filters.js';
import { FiltersStore } from './filter/filters.store.js';
import { EventFinder } from './history/event-finder.js';
import { EventByTime } from './history/event-by-time.js';
import { EventViews } from './history/event-views.js';
import { HistoryCollector } from './history/history-collector.js';
import { HistoryRowsStore } from './history/history-rows.store.js';
import { RoomHistoryReader } from './history/room-history.js';
import { RoomReaders } from './history/room-readers.js';
import { SearchModule } from '../search/search.module.js';
import { EventContexts } from './search/event-contexts.js';
import { EventSearch } from './search/event-search.js';
import { SearchAnswers } from './search/search-answers.js';
import { SearchedRooms } from './search/searched-rooms.js';
import { VisibleMatches } from './search/visible-matches.js';
import { RoomRelations } from './history/room-relations.js';
import { RoomThreads } from './history/room-threads.js';
import { ViewTexts } from './history/view-texts.js';
import { slidingProviders } from './sliding/sliding-providers.js';
import { SlidingSyncService } from './sliding/sliding-sync.service.js';
import { SyncTurns } from './sync-turns.js';
import { SyncNotifier } from './notify/sync-notifier.js';
import { EventStream } from './old-sync/event-stream.js';
import { InitialSync } from './old-sync/initial-sync.js';
import { RoomEphemera } from './old-sync/room-ephemera.js';
import { RoomWatch } from './old-sync/room-watch.js';
import { LazyMembers } from './rooms/lazy-members.js';
import { Aggregations } from './relations/aggregations.js';
import { ChildrenStore } from './relations/children.store.js';
import { EventThreads } from './relations/event-threads.js';
import { RelationsStore } from './relations/relations.store.js';
import { ReaderHistories } from './rooms/reader-histories.js';
import { RoomLogStore } from './rooms/room-log.store.js';
import { RoomPositions } from './rooms/room-positions.js';
import { RoomRowsStore } from './rooms/room-rows.store.js';
import { RoomSummaries } from './rooms/room-summaries.js';
import { RoomSummariesStore } from './rooms/room-summaries.store.js';
import { RoomWindows } from './rooms/room-windows.js';
import { SyncEvents } from './rooms/sync-events.js';
import { SyncEventsStore } from './rooms/sync-events.store.js';
import { TimelineCollector } from './rooms/timeline-collector.js';
import { SyncTokensModule } from './sync-tokens.module.js';
import { SyncService } from './sync.service.js';
import { NotificationHistory } from './unread/notification-history.js';
import { NotificationRowsStore } from './unread/notification-rows.store.js';
import { NotificationContexts } from './unread/notification-contexts.js';
import { UnreadCounter } from './unread/unread-counter.js';
import { ReaderJoins } from './unread/reader-joins.js';
import { ReadTallies } from './unread/read-tallies.js';
import { UnreadStore } from './unread/unread.store.js';

/** `/sync` in all its forms, and who waits for it. AccountVector and ResumePoints come from the homes. */
@Module({
  imports: [AccountsModule, AccountDataModule, DeviceKeysModule, DirectoryModule, RoomsModule, EphemeralModule, PushModule, SearchModule, SyncTokensModule],
  providers: [
    SyncNotifier, SyncTurns, FiltersStore, Filters,
    SyncEventsStore, SyncEvents, RoomLogStore, RoomWindows, RoomPositions, RoomRowsStore, RoomSummariesStore, RoomSummaries,
    ReaderHistories, LazyMembers, TimelineCollector,
    HistoryRowsStore, RoomReaders, EventViews, EventFinder, ViewTexts, HistoryCollector, RoomHistoryReader, EventByTime,
    RoomPlanner, RoomStates, RoomSizes, RoomTimelines, RoomExtrasReader, PresenceSection, RoomSectionsWriter, ShownStates, SyncEngine, SyncService, RoomEphemera, RoomWatch, EventStream, InitialSync,
    ...slidingProviders,
    SearchedRooms, VisibleMatches, EventSearch, EventContexts, SearchAnswers,
    RelationsStore, Aggregations, EventThreads, ChildrenStore, RoomRelations, RoomThreads,
    UnreadStore, ReaderJoins, ReadTallies, NotificationContexts, UnreadCounter, NotificationRowsStore, NotificationHistory,
  ],
  exports: [
    Aggregations, RoomHistoryReader, EventByTime, RoomRelations, RoomThreads, SyncNotifier, Filters, SyncService, SlidingSyncService, EventStream, InitialSync, SyncEvents, RoomWindows,
    SearchAnswers, UnreadCounter, NotificationHistory,
  ],
})
export class SyncModule {}
