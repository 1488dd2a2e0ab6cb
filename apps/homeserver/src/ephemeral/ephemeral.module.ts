import { Module } from '@nestjs/common';
import { AccountDataModule } from '../account-data/account-data.module.js';
import { AccountsModule } from '../accounts/accounts.module.js';
import { RoomsModule } from '../rooms/rooms.module.js';
import { ReadMarkers } from './read-markers.js';
import { Receipts } from './receipts.js';
import { ReceiptsStore } from './receipts.store.js';
import { RoomAudience } from './room-audience.js';
import { Typing } from './typing.js';
import { TypingUsers } from './typing-users.js';

/** What happens in rooms and is not part of their history: typing, receipts, read markers. */
@Module({
  imports: [AccountsModule, AccountDataModule, RoomsModule],
  providers: [ReceiptsStore, RoomAudience, TypingUsers, Typing, Receipts, ReadMarkers],
  exports: [ReceiptsStore, TypingUsers, Typing, Receipts, ReadMarkers],
})
export class EphemeralModule {}
