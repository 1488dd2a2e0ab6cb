import { Injectable } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { RECORD_MEMBER } from '../records/record-version.js';
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
  ) {}

  /**
   * @param carried a record that came with the request; it may be newer than the one known here
   * @returns the highest record
   * @throws MatrixError 404 `M_NOT_FOUND` for an account that is not here, 403 `M_FORBIDDEN` for a server that is no home of it
   */
  async authorise(origin: string, userId: string, carried?: unknown): Promise<HomeRecord> {
    if ((carried as { user_id?: unknown } | undefined)?.user_id === userId) await this.records.accept(carried, origin);
    const record = this.directory.has(userId) ? await this.records.get(userId) : undefined;
    if (!record) throw MatrixError.notFound('The account does not live here');
    if (!record.homes.some((home) => home.server_name === origin)) throw noHome(origin, record);
    return record;
  }
}
