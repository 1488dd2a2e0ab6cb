import { Module } from '@nestjs/common';
import { RoomsModule } from '../rooms/rooms.module.js';
import { Listings } from './listings.js';
import { RemoteDirectory } from './remote-directory.js';
import { RoomDirectory } from './room-directory.js';
import { RoomPreviews } from './room-previews.js';
import { RoomSummaryReader } from './room-summaries.js';
import { RemoteSpaces } from './spaces/remote-spaces.js';
import { SpaceAnswers } from './spaces/space-answers.js';
import { SpaceHierarchies } from './spaces/space-hierarchies.js';

/** Which rooms there are, for those who look for some. */
@Module({
  imports: [RoomsModule],
  providers: [Listings, RemoteDirectory, RoomDirectory, RoomPreviews, RemoteSpaces, RoomSummaryReader, SpaceAnswers, SpaceHierarchies],
  exports: [RemoteDirectory, RoomDirectory, RoomSummaryReader, SpaceAnswers, SpaceHierarchies],
})
export class DirectoryModule {}
