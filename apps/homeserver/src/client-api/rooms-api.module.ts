import { Module } from '@nestjs/common';
import { AliasesController } from './rooms/aliases.controller.js';
import { CreateRoomController } from './rooms/create-room.controller.js';
import { MembershipController } from './rooms/membership.controller.js';
import { SendController } from './rooms/send.controller.js';
import { StateController } from './rooms/state.controller.js';

/** Rooms for clients. */
@Module({
  controllers: [CreateRoomController, MembershipController, SendController, StateController, AliasesController],
})
export class RoomsApiModule {}
