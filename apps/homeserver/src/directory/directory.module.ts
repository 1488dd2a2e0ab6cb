import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { Listings } from './listings.js';
import { PeopleSearch } from './people/people-search.js';
import { PeopleStore } from './people/people.store.js';
import { PeopleUpdates } from './people/people-updates.js';
import { RemoteDirectory } from './remote-directory.js';
import { RoomDirectory } from './room-directory.js';
import { RoomPreviews } from './room-previews.js';
import { RoomSummaryReader } from './room-summaries.js';
import { RemoteSpaces } from './spaces/remote-spaces.js';
import { SpaceAnswers } from './spaces/space-answers.js';
import { SpaceHierarchies } from './spaces/space-hierarchies.js';

/** Which rooms and people there are, for those who look for some. */
@Module({
  imports: [AccountDataModule, AccountsModule, RoomsModule],
  providers: [Listings, PeopleSearch, PeopleStore, PeopleUpdates, RemoteDirectory, RoomDirectory, RoomPreviews, RemoteSpaces, RoomSummaryReader, SpaceAnswers, SpaceHierarchies],
  exports: [PeopleSearch, PeopleStore, RemoteDirectory, RoomDirectory, RoomSummaryReader, SpaceAnswers, SpaceHierarchies],
})
export class DirectoryModule {}
