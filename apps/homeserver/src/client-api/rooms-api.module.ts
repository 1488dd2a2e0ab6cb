import { Module } from '@nestjs/common';
import { DirectoryModule } from '../directory/directory.module.js';
import { ModerationModule } from '../moderation/moderation.module.js';
import { SyncModule } from '../sync/sync.module.js';
import { DelayedEventsController } from './delayed/delayed-events.controller.js';
import { PublicRoomsController } from './directory/public-rooms.controller.js';
import { SpacesController } from './directory/spaces.controller.js';
import { PeopleController } from './people/people.controller.js';
import { RelationsController } from './relations/relations.controller.js';
import { ReportsController } from './reports/reports.controller.js';
import { AliasesController } from './rooms/aliases.controller.js';
import { CreateRoomController } from './rooms/create-room.controller.js';
import { EventByTimeController } from './rooms/event-by-time.controller.js';
import { MembershipController } from './rooms/membership.controller.js';
import { MessagesController } from './rooms/messages.controller.js';
import { SendController } from './rooms/send.controller.js';
import { SearchController } from './search/search.controller.js';
import { UpgradeController } from './rooms/upgrade.controller.js';
import { StateController } from './rooms/state.controller.js';

/** Rooms for clients. */
@Module({
  imports: [DirectoryModule, ModerationModule, SyncModule],
  controllers: [
    CreateRoomController, MembershipController, SendController, StateController, MessagesController, RelationsController, AliasesController, PeopleController,
    PublicRoomsController, SpacesController, ReportsController, SearchController, UpgradeController, EventByTimeController, DelayedEventsController,
  ],
})
export class RoomsApiModule {}
