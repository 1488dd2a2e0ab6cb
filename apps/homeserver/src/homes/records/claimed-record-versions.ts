import { Injectable } from '@nestjs/common';
import { ClaimedVersions } from '../../federation/claimed-versions.js';
import { MAX_PDUS } from '../../federation/inbound/inbound-transactions.js';
import { RecordClaims } from './record-claims.js';
import { RecordExchange } from './record-exchange.js';
import { readVersions, type RecordVersion } from './record-version.js';

/** Versions of records in transactions: whoever is behind notices it by them (docs/protocol.md §2). */
@Injectable()
export class ClaimedRecordVersions extends ClaimedVersions {
  constructor(
    private readonly claims: RecordClaims,
    private readonly exchange: RecordExchange,
  ) {
    super();
  }

  override answer(origin: string, given: unknown): Promise<Record<string, RecordVersion>> {
    const claimed = readVersions(given, MAX_PDUS);
    this.claims.noticed(origin, claimed);
    return this.exchange.higherVersions(claimed);
  }
}
