import { Module } from '@nestjs/common';
import { AccountsModule } from '../accounts/accounts.module.js';
import { Reports } from './reports.js';

/** What administrators are told of. */
@Module({ imports: [AccountsModule], providers: [Reports], exports: [Reports] })
export class ModerationModule {}
