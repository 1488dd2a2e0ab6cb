import { Injectable } from '@nestjs/common';
import { standingOf, type HeldOperation, type HomeRecord, type LinePlace, type LogHead, type LogLines, type LogPlaces } from '#federation';
import { HomeKeys } from '../records/home-keys.js';
import { versionOf, type RecordVersion } from '../records/record-version.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { FormerRecords } from './former-records.js';
import { HeadSignatures } from './head-signatures.js';
import { LogLoader } from './log-loader.js';
import { type LineStretch, LogPagesStore, type PagedOperation } from './log-pages.store.js';
import { OperationsStore } from './operations.store.js';

/** Operations of one answer or request. */
export const PAGE_OPERATIONS = 200;
/** Bytes of one answer or request; a single larger operation goes alone. */
const PAGE_BYTES = 1_000_000;

/** Of the last operations of logs. */
const MAX_LAST_BYTES = 4_000_000;

export interface OperationPage {
  /** Of the record by which this server goes. */
  readonly version: RecordVersion;
  readonly ops: readonly object[];
  /** There are more after these. */
  readonly more: boolean;
  /** Operations that are asked for have been dropped; only a copy of the account helps. */
  readonly snapshot_needed: boolean;
  readonly heads: readonly object[];
  /** Earlier records that name logs which these operations knew of and the present record does not know. */
  readonly former: readonly object[];
}

/** Reads the logs in pieces that fit into a request. */
@Injectable()
export class OperationPages {
  constructor(
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly paged: LogPagesStore,
    private readonly loader: LogLoader,
    private readonly keys: HomeKeys,
    private readonly former: FormerRecords,
    private readonly signatures: HeadSignatures,
  ) {}

  /** Signed ends of all logs as far as they are held, without what is not believed itself yet. */
  async heads(record: HomeRecord): Promise<LogHead[]> {
    const userId = record.user_id;
    const key = await this.keys.find(userId);
    return (await this.logs.of(userId)).filter((line) => !line.isProvisional).flatMap((line) => {
      // Of revoked homes nobody hands on more than what counts.
      if (standingOf(record, line.log).as === 'cut' && line.head.n > line.counted[0]) return [];
      const log = { user_id: userId, log: line.log };
      if (key && key.publicKey === line.key) return [this.signatures.sign({ ...log, n: line.n, hash: line.hash }, key)];
      const { n, hash, signature } = line.head;
      return n > 0 ? [{ ...log, n, hash, key: line.key, signature }] : [];
    });
  }

  /** The last operation that counts of each line. */
  async last(record: HomeRecord): Promise<HeldOperation[]> {
    const found: HeldOperation[] = [];
    let bytes = 0;
    for (const { userId, log, id, counted: [n], isProvisional } of await this.logs.of(record.user_id)) {
      if (n === 0 || isProvisional) continue;
      for (const held of await this.store.onLine(userId, log, id, n - 1, n, 1)) {
        found.push(held);
        bytes += sizeOf(held);
      }
      if (bytes > MAX_LAST_BYTES) break;
    }
    return found;
  }

  /** Operations that somebody who has these places lacks, causes first. */
  async since(record: HomeRecord, known: LogPlaces): Promise<OperationPage> {
    const userId = record.user_id;
    const { log, lines } = await this.loader.forPlaces(record, known);
    const stretches = lines.flatMap((line): LineStretch[] => {
      const { as } = standingOf(record, line.log);
      // Of revoked homes only what counts; of others all, since what waits here may count there.
      const high = as === 'cut' ? line.counted[0] : line.n;
      const low = Math.max(line.from, ...(known[line.log] ?? []).map((place) => reach(log.linesOf(line.log), log.find(line.log, place), line, place[0])));
      return high > low ? [{ log: line.log, line: line.id, low, high }] : [];
    });
    const { list, isAll } = await this.paged.after(userId, stretches, PAGE_OPERATIONS + 1);
    const answer = { version: versionOf(record), heads: wireHeads(await this.heads(record)) };
    if (stretches.some((stretch) => hasGap(stretch, list, isAll))) return { ...answer, ops: [], more: false, snapshot_needed: true, former: [] };
    const fitting = fit(list);
    const ops = await this.store.at(userId, fitting);
    return {
      ...answer, ops: ops.map(wireOperation), more: !isAll || fitting.length < list.length, snapshot_needed: false,
      former: await this.former.naming(record, ops.map(({ op }) => op)),
    };
  }

  /** Operations of the own log after a number, as many as fit; undefined when they are no longer there. */
  async after(own: StoredLine, n: number): Promise<HeldOperation[] | undefined> {
    const next = await this.store.onLine(own.userId, own.log, own.id, n, own.n, PAGE_OPERATIONS);
    const isGone = next.some((held, i) => held.n !== n + 1 + i);
    return isGone ? undefined : fit(next.map((held) => ({ held, size: sizeOf(held) }))).map(({ held }) => held);
  }
}

export function wireOperation({ op }: HeldOperation): object {
  const { user_id: _user, ...wire } = op;
  return wire;
}

export function wireHeads(heads: readonly LogHead[]): object[] {
  return heads.map(({ user_id: _user, ...wire }) => wire);
}

/** How far a line is known to somebody who holds a place of its log. */
function reach(lines: LogLines, at: LinePlace | undefined, line: StoredLine, n: number): number {
  if (at) return lines.upTo([at]).get(line.id) ?? 0;
  // It is ahead of this server, or on a branch that is not here: then it asks again with places further back.
  return n > line.n ? line.n : 0;
}

/** Whether operations of a stretch are no longer there. */
function hasGap({ log, line, low }: LineStretch, list: readonly PagedOperation[], isAll: boolean): boolean {
  const numbers = list.filter((one) => one.log === log && one.line === line).map(({ n }) => n).sort((a, b) => a - b);
  return (isAll && numbers.length === 0) || numbers.some((n, i) => n !== low + 1 + i);
}

function fit<T extends { readonly size: number }>(ops: readonly T[]): T[] {
  let bytes = 0;
  const count = ops.findIndex(({ size }, i) => i >= PAGE_OPERATIONS || ((bytes += size + 600) > PAGE_BYTES && i > 0));
  return ops.slice(0, count < 0 ? ops.length : count);
}

function sizeOf({ op }: HeldOperation): number {
  return op.value.length + op.key.length + Object.keys(op.after).length * 100;
}
