import { Injectable } from '@nestjs/common';
import { CLOSED_KIND, concurrentWrites, isLogOf, shownWrite, surplusLogs, type ClosedLog, type HeldOperation, type HomeRecord, type LogPlace } from '#federation';
import type { AccountChange } from '../../accounts/account-ops.js';
import { Log } from '../../observability/log.js';
import { Database } from '../../storage/database.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { AccountVectors } from './account-vectors.js';
import { LogLoader, namesOf } from './log-loader.js';
import { OperationApplier } from './operation-applier.js';
import { OperationLog } from './operation-log.js';
import { OperationsStore, type ItemName } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';

const PAGE = 500;

interface Moved {
  readonly line: StoredLine;
  readonly counted: LogPlace;
  /** Operations between the old and the new end of what counts. */
  readonly between: readonly HeldOperation[];
}

/** Lets a log count as far as the record, its forks and the homes' word say: after a drop, a cut, a fork (protocol §4). */
@Injectable()
export class LogStandings {
  constructor(
    private readonly shared: SharedAccounts,
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly loader: LogLoader,
    private readonly applier: OperationApplier,
    private readonly operationLog: OperationLog,
    private readonly vectors: AccountVectors,
    private readonly digests: AccountDigests,
    private readonly db: Database,
    private readonly log: Log,
  ) {}

  /** Must not run beside another change of the account's foreign logs. */
  async restand(record: HomeRecord): Promise<void> {
    await this.#close(record);
    const moved = await this.#moved(record);
    if (moved.length > 0) await this.#move(record, moved);
    const surplus = surplusLogs((await this.logs.of(record.user_id)).map((line) => line.log));
    if (surplus.size > 0) await this.db.transaction((tx) => this.logs.drop(tx, record.user_id, [...surplus]));
  }

  async #move(record: HomeRecord, moved: readonly Moved[]): Promise<void> {
    const items = namesOf(moved.flatMap(({ between }) => between.map(({ op }) => op)));
    const removals = await this.#removals(record.user_id, items, moved);
    await this.db.transaction(async (tx) => {
      const present = await this.logs.lock(tx, [record.user_id]);
      const lines = moved.flatMap(({ line, counted }) => present.filter((one) => one.log === line.log && one.id === line.id).map((one) => ({ ...one, counted })));
      await this.logs.put(tx, lines);
      for (const { line, counted, between } of moved) {
        const names = namesOf(between.map(({ op }) => op));
        await this.store.dropItems(tx, record.user_id, names.map((name) => ({ ...name, log: line.log, line: line.id })));
        await this.store.keep(tx, await this.store.newestUpTo(record.user_id, line.log, line.id, counted[0], names));
      }
      // A removal is not undone by a cut: whoever has shown it says it again.
      await this.operationLog.recordAll(tx, new Map([[record.user_id, removals]]));
      tx.afterCommit(() => {
        this.digests.touch(moved.flatMap(({ between }) => between));
        this.vectors.changed(record.user_id);
      });
    });
    await this.applier.settle(record, items, new Map());
    for (const { line, counted, between } of moved) {
      if (counted[0] < line.counted[0]) continue;
      for (const held of between) if (this.applier.applierOf(held.op.kind)?.merge === 'own') await this.applier.apply(record, held);
    }
  }

  /** Says in the own log what is held of the logs of retired homes. */
  async #close(record: HomeRecord): Promise<void> {
    const retired = record.retired ?? [];
    if (retired.length === 0 || !this.shared.hasLog(record.user_id)) return;
    const lines = await this.logs.of(record.user_id);
    const own = lines.filter((line) => line.isOwn).map((line) => line.key);
    const said = (await this.store.keptOfKind(record.user_id, CLOSED_KIND)).filter((held) => lines.some((line) => line.log === held.log && own.includes(line.key)));
    const logs = new Set(lines.filter((line) => retired.some(({ key }) => isLogOf(line.log, record.user_id, key))).map((line) => line.log));
    const changes: AccountChange[] = [];
    for (const log of logs) {
      if (said.some(({ op }) => op.key === log)) continue;
      const ends = lines.filter((line) => line.log === log).map((line): LogPlace => [line.n, line.hash]);
      const value: ClosedLog = { log, key: lines.find((line) => line.log === log)!.key, places: ends };
      changes.push({ kind: 'closed', key: log, value });
    }
    if (changes.length > 0) await this.db.transaction((tx) => this.operationLog.recordAll(tx, new Map([[record.user_id, changes]])));
  }

  async #moved(record: HomeRecord): Promise<Moved[]> {
    const { log, lines } = await this.loader.forPlaces(record, {});
    const moved: Moved[] = [];
    for (const line of lines) {
      const n = log.coverage(line.log).get(line.id) ?? 0;
      if (n === line.counted[0]) continue;
      const between = await this.#between(line, n);
      const hash = n === line.n ? line.hash : (await this.store.places(record.user_id, [[line.log, n]])).find((row) => row.line === line.id)?.hash ?? '';
      moved.push({ line, counted: [n, hash], between });
      this.log.info('a log counts differently', { userId: record.user_id, log: line.log, from: line.counted[0], to: n });
    }
    return moved;
  }

  async #between(line: StoredLine, n: number): Promise<HeldOperation[]> {
    const [from, to] = n < line.counted[0] ? [n, line.counted[0]] : [line.counted[0], n];
    const found: HeldOperation[] = [];
    for (let at = from; ;) {
      const page = await this.store.onLine(line.userId, line.log, line.id, at, to, PAGE);
      found.push(...page);
      if (page.length < PAGE) return found;
      at = page.at(-1)!.n;
    }
  }

  /** Items that showed a removal which counts no more. */
  async #removals(userId: string, items: readonly ItemName[], moved: readonly Moved[]): Promise<AccountChange[]> {
    const voided = new Set(moved.flatMap(({ line, counted, between }) => (counted[0] < line.counted[0] ? between.map(({ hash }) => hash) : [])));
    const kept = await this.store.kept(userId, items);
    return items.flatMap((item): AccountChange[] => {
      const applier = this.applier.applierOf(item.kind);
      const writes = kept.filter(({ op }) => op.kind === item.kind && op.key === item.key);
      const shown = shownWrite(concurrentWrites(writes, knew), applier?.merge === 'removal-wins');
      const isGone = shown?.value === 'null' && voided.has(shown.hash) && applier !== undefined && applier.merge !== 'own';
      return isGone ? [{ kind: item.kind as AccountChange['kind'], key: item.key, value: null }] : [];
    });
  }
}

function knew(a: HeldOperation, b: HeldOperation): boolean {
  if (a.log === b.log) return a.n > b.n;
  return (a.op.after[b.log] ?? []).some(([n]) => n >= b.n);
}
