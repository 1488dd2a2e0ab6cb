import { Controller, Get } from '@nestjs/common';
import { Auth } from './http/auth.decorator.js';
import { Database, statement } from './storage/database.js';

const ping = statement('health.ping', 'SELECT 1');

/** For load balancers and container runtimes; says nothing about the server but that it can serve. */
@Controller()
export class HealthController {
  constructor(private readonly database: Database) {}

  /** 200 when the database answers; an error otherwise. */
  @Get('/health')
  @Auth('none')
  async health(): Promise<{ status: 'ok' }> {
    await this.database.query(ping);
    return { status: 'ok' };
  }
}
