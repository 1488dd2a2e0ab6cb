import { Injectable } from '@nestjs/common';
import { standingOf, type HeldOperation, type HomeRecord, type LinePlace, type LogHead, type LogLines, type LogPlaces } from '#federation';
import { HomeKeys } from '../records/home-keys.js';
import { versionOf, type RecordVersion } from '../records/record-version.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { FormerRecords } from './former-records.js';
import { HeadSignatures } from './head-signatures.js';
import { LogLoader } from './log-loader.js';
import { OperationsStore } from './operations.store.js';

/** Operations of one answer or request. */
export const PAGE_OPERATIONS = 200;
/** Characters of values of one answer or request; a single larger one goes alone. */
const PAGE_CHARACTERS = 1_000_000;

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
    for (const { userId, log, id, counted: [n], isProvisional } of await this.logs.of(record.user_id)) {
      if (n > 0 && !isProvisional) found.push(...(await this.store.onLine(userId, log, id, n - 1, n, 1)));
    }
    return found;
  }

  /** Operations that somebody who has these places lacks, causes first. */
  async since(record: HomeRecord, known: LogPlaces): Promise<OperationPage> {
    const userId = record.user_id;
    const { log, lines } = await this.loader.forPlaces(record, known);
    const found: (HeldOperation & { seq: number })[] = [];
    for (const line of lines) {
      const { as } = standingOf(record, line.log);
      // Of revoked homes only what counts; of others all, since what waits here may count there.
      const to = as === 'cut' ? line.counted[0] : line.n;
      const from = Math.max(line.from, ...(known[line.log] ?? []).map((place) => reach(log.linesOf(line.log), log.find(line.log, place), line, place[0])));
      if (to <= from) continue;
      const next = await this.store.onLine(userId, line.log, line.id, from, to, PAGE_OPERATIONS + 1);
      if (next.some((held, i) => held.n !== from + 1 + i) || next.length === 0) return { version: versionOf(record), ops: [], more: false, snapshot_needed: true, heads: wireHeads(await this.heads(record)), former: [] };
      found.push(...next);
    }
    const fitting = fit(found.sort((a, b) => a.seq - b.seq));
    return {
      version: versionOf(record), ops: fitting.map(wireOperation), more: fitting.length < found.length, snapshot_needed: false, heads: wireHeads(await this.heads(record)),
      former: await this.former.naming(record, fitting.map(({ op }) => op)),
    };
  }

  /** Operations of the own log after a number, as many as fit; undefined when they are no longer there. */
  async after(own: StoredLine, n: number): Promise<HeldOperation[] | undefined> {
    const next = await this.store.onLine(own.userId, own.log, own.id, n, own.n, PAGE_OPERATIONS);
    return next.some((held, i) => held.n !== n + 1 + i) ? undefined : fit(next);
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

function fit<T extends HeldOperation>(ops: readonly T[]): T[] {
  let characters = 0;
  const count = ops.findIndex((held, i) => i >= PAGE_OPERATIONS || ((characters += held.op.value.length + held.op.key.length + 600) > PAGE_CHARACTERS && i > 0));
  return ops.slice(0, count < 0 ? ops.length : count);
}

