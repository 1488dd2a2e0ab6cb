import { Global, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { AuthModule } from '../auth/auth.module.js';
import { AuthSchemes } from './auth-schemes.js';
import { MatrixErrorFilter } from './matrix-error.filter.js';
import { NotFoundPage } from './not-found-page.js';
import { RateLimits } from './rate-limits.js';
import { RequestGuard } from './request.guard.js';
import { RouteTable } from './route-table.js';

/** Guards, limits and errors of all HTTP routes. `server.ts` calls `installHttp` with the RouteTable before `app.init()`. */
@Global()
@Module({
  imports: [AuthModule],
  providers: [
    AuthSchemes,
    NotFoundPage,
    RateLimits,
    RouteTable,
    { provide: APP_GUARD, useClass: RequestGuard },
    { provide: APP_FILTER, useClass: MatrixErrorFilter },
  ],
  exports: [AuthSchemes, NotFoundPage, RateLimits, RouteTable],
})
export class HttpModule {}
