import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { OwnPresence } from './presence/own-presence.js';
import { PeopleInRooms } from './presence/people-in-rooms.js';
import { PeopleInRoomsStore } from './presence/people-in-rooms.store.js';
import { PresenceEdus } from './presence/presence-edus.js';
import { PresenceReader } from './presence/presence-reader.js';
import { Presences } from './presence/presences.js';
import { ReadGraphStore } from './reads/read-graph.store.js';
import { ReadSets } from './reads/read-sets.js';
import { ReadSetsStore } from './reads/read-sets.store.js';
import { ReadMarkers } from './read-markers.js';
import { Receipts } from './receipts.js';
import { ReceiptsStore } from './receipts.store.js';
import { RoomAudience } from './room-audience.js';
import { Typing } from './typing.js';
import { TypingUsers } from './typing-users.js';

/** What happens in rooms and is not part of their history: typing, receipts, read markers. */
@Module({
  imports: [AccountsModule, AccountDataModule, RoomsModule],
  providers: [
    ReceiptsStore, ReadGraphStore, ReadSetsStore, ReadSets, RoomAudience, TypingUsers, Typing, Receipts, ReadMarkers,
    PeopleInRoomsStore, PeopleInRooms, Presences, OwnPresence, PresenceReader, PresenceEdus,
  ],
  exports: [ReceiptsStore, ReadSets, TypingUsers, Typing, Receipts, ReadMarkers, Presences, OwnPresence, PresenceReader],
})
export class EphemeralModule {}
