import { Injectable } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { HomeKeys } from '../records/home-keys.js';
import { RecordClaims } from '../records/record-claims.js';
import { readVersion, RECORD_MEMBER } from '../records/record-version.js';
import { RateLimits } from '../../http/rate-limits.js';
import { AccountDirectory } from '../../accounts/account-directory.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { HomeRecords } from '../records/home-records.js';

/** With the record that says so, from which a home that was dropped while it was away learns it. */
export function noHome(server: string, record: HomeRecord): MatrixError {
  return new MatrixError(403, 'M_FORBIDDEN', `${server} is no home of the account`, { [RECORD_MEMBER]: record });
}

/** Lets other homes of an account at its data, and nobody else. */
@Injectable()
export class HomeRequests {
  constructor(
    private readonly directory: AccountDirectory,
    private readonly records: HomeRecords,
    private readonly keys: HomeKeys,
    private readonly claims: RecordClaims,
    private readonly limits: RateLimits,
  ) {}

  /**
   * @param cost what the answer takes, in operations
   * @param claimed the version of the record by which the other server goes; a newer one than is known here is asked for
   * @returns the highest record
   * @throws MatrixError 404 `M_NOT_FOUND` for an account that is not here, 403 `M_FORBIDDEN` for a server that is no home of it, 429
   *   `M_LIMIT_EXCEEDED`
   */
  async authorise(origin: string, userId: string, cost: number, claimed?: unknown): Promise<HomeRecord> {
    const version = readVersion(claimed);
    const isOurs = version !== undefined && ((await this.records.get(userId)) !== undefined || (await this.keys.find(userId)) !== undefined);
    if (isOurs) await this.claims.settle(origin, userId, version);
    const record = this.directory.has(userId) ? await this.records.get(userId) : undefined;
    if (!record) throw MatrixError.notFound('The account does not live here');
    if (!(await this.records.isHome(userId, origin))) throw noHome(origin, record);
    this.limits.take('operations', `${origin} ${userId}`, cost);
    return record;
  }
}
