import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { FederationClient } from '../../federation/federation-client.js';
import { Log } from '../../observability/log.js';
import { HomeRecords } from './home-records.js';
import { recordPath } from './record-path.js';

/** Somebody waits for it at a login. */
const TIMEOUT_MS = 3_000;

/** Asks the homes of an account whether there is a newer record. */
@Injectable()
export class RecordRefresh {
  constructor(
    private readonly config: Config,
    private readonly records: HomeRecords,
    private readonly federation: FederationClient,
    private readonly log: Log,
  ) {}

  /** Resolves when all have answered or are known not to. */
  async refresh(userId: string): Promise<void> {
    const record = await this.records.get(userId);
    const homes = (record?.homes ?? []).map((home) => home.server_name).filter((name) => name !== this.config.serverName);
    await Promise.all(homes.map(async (destination) => {
      try {
        const answer = await this.federation.request({ destination, method: 'GET', path: recordPath(userId), timeoutMs: TIMEOUT_MS, ignoreBackoff: true });
        if (answer['user_id'] === userId) await this.records.accept(answer);
      } catch (error) {
        this.log.debug('a record could not be refreshed', { userId, destination, reason: String(error) });
      }
    }));
  }
}
