import { Controller, Get } from '@nestjs/common';
import { MatrixError } from './errors/matrix-error.js';
import { Auth } from './http/auth.decorator.js';
import { Database, statement } from './storage/database.js';
import { DatabaseHealth } from './storage/database-health.js';

/** When to look again. */
const RETRY_AFTER_MS = 5_000;

const ping = statement('health.ping', 'SELECT 1');

/** For load balancers and container runtimes; says nothing about the server but that it can serve. */
@Controller()
export class HealthController {
  constructor(
    private readonly database: Database,
    private readonly known: DatabaseHealth,
  ) {}

  /** 200 when the database answers and takes writes; otherwise 503 with a sentence. */
  @Get('/health')
  @Auth('none')
  async health(): Promise<{ status: 'ok' }> {
    const { problem } = this.known;
    if (problem !== null) throw MatrixError.unavailable(problem, RETRY_AFTER_MS);
    await this.database.query(ping);
    return { status: 'ok' };
  }
}
