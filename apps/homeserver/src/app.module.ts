import { Module } from '@nestjs/common';
import { HealthController } from './health.controller.js';

/** All parts of the server, on top of the core (core.module.ts). Each folder's module is one line here. */
@Module({
  imports: [],
  controllers: [HealthController],
})
export class AppModule {}
