import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { Reports } from './reports.js';
import { RoomMedia } from './room-media.js';

/** What administrators are told of, and look for. */
@Module({ imports: [AccountsModule], providers: [Reports, RoomMedia], exports: [Reports, RoomMedia] })
export class ModerationModule {}
