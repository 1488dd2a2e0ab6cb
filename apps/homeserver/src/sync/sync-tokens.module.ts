import { Global, Module } from '@nestjs/common';
import { SyncTokens } from './sync-tokens.js';

/** Global, because the folder of homes, which the sync asks, makes tokens too. */
@Global()
@Module({ providers: [SyncTokens], exports: [SyncTokens] })
export class SyncTokensModule {}
