import { Module } from '@nestjs/common';
import { SyncModule } from '../sync/sync.module.js';
import { AliasesController } from './rooms/aliases.controller.js';
import { CreateRoomController } from './rooms/create-room.controller.js';
import { MembershipController } from './rooms/membership.controller.js';
import { MessagesController } from './rooms/messages.controller.js';
import { SendController } from './rooms/send.controller.js';
import { StateController } from './rooms/state.controller.js';

/** Rooms for clients. */
@Module({
  imports: [SyncModule],
  controllers: [CreateRoomController, MembershipController, SendController, StateController, MessagesController, AliasesController],
})
export class RoomsApiModule {}
