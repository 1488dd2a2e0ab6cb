import { Injectable } from '@nestjs/common';
import { readOperation, type HomeRecord, type LogHead, type LogPlaces } from '#federation';
import { FederationClient } from '../../federation/federation-client.js';
import { versionOf } from '../records/record-version.js';
import { missingPath } from './account-paths.js';
import { AccountCopies } from './account-copies.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { FormerRecords } from './former-records.js';
import { OperationMerge, type TakenOperations } from './operation-merge.js';
import { OperationsStore } from './operations.store.js';
import { PeerHeads } from './peer-heads.js';
import { WaitingOperations } from './waiting-operations.js';

const TIMEOUT_MS = 20_000;
/** Requests of one catching-up; 200,000 operations. */
const MAX_ROUNDS = 1_000;

/** Fetches operations that another home holds and this one does not. */
@Injectable()
export class OperationPull {
  constructor(
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly merge: OperationMerge,
    private readonly copies: AccountCopies,
    private readonly heads: PeerHeads,
    private readonly former: FormerRecords,
    private readonly waiting: WaitingOperations,
    private readonly federation: FederationClient,
  ) {}

  /**
   * Asks until it has what was claimed, or nothing new comes. Who claimed what it does not bring is not believed for an hour.
   *
   * @param claimed places that are not here, by the other's signed heads
   */
  async pull(record: HomeRecord, from: string, claimed: LogPlaces, heads: readonly LogHead[] = []): Promise<void> {
    if (Object.keys(claimed).length === 0) return;
    const userId = record.user_id;
    let isFurtherBack = false;
    let last: TakenOperations['waiting'] = [];
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const since = await this.#held(userId, isFurtherBack ? claimed : {});
      const page = await this.federation.request({ destination: from, method: 'POST', path: missingPath(userId), body: { since, version: versionOf(record) }, timeoutMs: TIMEOUT_MS });
      if (page['snapshot_needed'] === true) {
        await this.copies.take(userId, from);
        break;
      }
      const ops = (Array.isArray(page['ops']) ? page['ops'] : []).flatMap((value) => readOperation(userId, value) ?? []);
      const heard = await this.heads.hear(record, from, page);
      await this.former.learn(record, page['former']);
      const { fresh, waiting } = await this.merge.take(userId, ops, heard.keys);
      last = waiting;
      if (page['more'] === true && fresh > 0) continue;
      // What is claimed may lie on a branch that left this home's line before its end.
      if (isFurtherBack || Object.keys(await this.heads.stillLacking(record, claimed)).length === 0) break;
      isFurtherBack = true;
    }
    this.waiting.note(userId, from, last, 'answer');
    if (Object.keys(await this.heads.stillLacking(record, claimed, heads)).length > 0) this.heads.distrust(userId, from);
  }

  /** The ends of what is held; of logs of which something lower is claimed, places ever further back. */
  async #held(userId: string, claimed: LogPlaces): Promise<LogPlaces> {
    const lines = await this.logs.of(userId);
    const places: Record<string, [number, string][]> = {};
    for (const line of lines) {
      const lowest = Math.min(...(claimed[line.log] ?? []).map(([n]) => n));
      if (line.n < lowest) (places[line.log] ??= []).push([line.n, line.hash]);
      else for (const row of await this.#back(line, lowest)) (places[line.log] ??= []).push(row);
    }
    return Object.fromEntries(Object.entries(places).map(([log, list]) => [log, list.slice(0, 60)]));
  }

  async #back(line: StoredLine, below: number): Promise<[number, string][]> {
    const numbers: number[] = [];
    for (let step = 1, n = Math.min(line.n, below) - 1; n > line.from && numbers.length < 20; n -= step, step *= 2) numbers.push(n);
    const rows = await this.store.places(line.userId, numbers.map((n) => [line.log, n] as const));
    return rows.filter((row) => row.line === line.id).map((row) => [row.n, row.hash]);
  }
}
