import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { RoomsModule } from '../rooms/rooms.module.js';
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
  providers: [ReceiptsStore, ReadGraphStore, ReadSetsStore, ReadSets, RoomAudience, TypingUsers, Typing, Receipts, ReadMarkers],
  exports: [ReceiptsStore, ReadSets, TypingUsers, Typing, Receipts, ReadMarkers],
})
export class EphemeralModule {}
