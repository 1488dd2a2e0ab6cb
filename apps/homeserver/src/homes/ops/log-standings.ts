import { Injectable } from '@nestjs/common';
import { CLOSED_KIND, concurrentWrites, isLogOf, itemName, shownWrite, surplusLogs, type ClosedLog, type HeldOperation, type HomeRecord, type LogPlace } from '#federation';
import type { AccountChange } from '../../accounts/account-ops.js';
import { Log } from '../../observability/log.js';
import { Database } from '../../storage/database.js';
import { AccountDigests } from './account-digests.js';
import { AccountLogsStore, linesByLog, type StoredLine } from './account-logs.store.js';
import { AccountVectors } from './account-vectors.js';
import { LogLoader, namesOf } from './log-loader.js';
import { OperationApplier } from './operation-applier.js';
import { OperationLog } from './operation-log.js';
import { OperationsStore, type ItemName } from './operations.store.js';
import { SharedAccounts } from './shared-accounts.js';
import { UnsettledItemsStore } from './unsettled-items.store.js';

/** Of a log with more lines those that never count are dropped, so that others have room. */
const MAX_LINES = 32;
/** Operations of these are read at once; each may be large. */
const MAX_ITEMS = 100;

interface Moved {
  readonly line: StoredLine;
  readonly counted: LogPlace;
  /** What operations between the old and the new end of what counts are about. */
  readonly items: readonly ItemName[];
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
    private readonly unsettled: UnsettledItemsStore,
    private readonly vectors: AccountVectors,
    private readonly digests: AccountDigests,
    private readonly db: Database,
    private readonly log: Log,
  ) {}

  /** Must not run beside another change of the account's foreign logs. */
  async restand(record: HomeRecord): Promise<void> {
    await this.#settle(record);
    await this.#close(record);
    const moved = await this.#moved(record);
    if (moved.length > 0) await this.#move(record, moved);
    const lines = await this.logs.of(record.user_id);
    const surplus = surplusLogs(lines.map((line) => line.log));
    if (surplus.size > 0) await this.db.transaction((tx) => this.logs.drop(tx, record.user_id, [...surplus]));
    for (const [log, shape] of linesByLog(lines)) {
      if (shape.all.length <= MAX_LINES) continue;
      const ids = shape.uncounted.map((line) => line.id);
      if (ids.length > 0) await this.db.transaction((tx) => this.logs.dropLines(tx, record.user_id, log, ids));
    }
  }

  async #move(record: HomeRecord, moved: readonly Moved[]): Promise<void> {
    const userId = record.user_id;
    const items = namesOf(moved.flatMap((one) => one.items));
    const removals = await this.#removals(userId, items, moved);
    await this.db.transaction(async (tx) => {
      const present = await this.logs.lock(tx, [userId]);
      const lines = moved.flatMap(({ line, counted }) => present.filter((one) => one.log === line.log && one.id === line.id).map((one) => ({ ...one, counted })));
      await this.logs.put(tx, lines);
      for (const { line, counted, items: names } of moved) {
        await this.store.dropItems(tx, userId, names.map((name) => ({ ...name, log: line.log, line: line.id })));
        await this.store.keepUpTo(tx, userId, line.log, line.id, counted[0], names);
      }
      // What counts is stored before it is shown: whoever dies in between shows it when he starts again.
      await this.unsettled.put(tx, userId, items);
      // A removal is not undone by a cut: whoever has shown it says it again.
      await this.operationLog.recordAll(tx, new Map([[userId, removals]]));
      tx.afterCommit(() => {
        this.digests.touchItems(userId, items);
        this.vectors.changed(userId);
      });
    });
    await this.#settle(record);
  }

  /** Brings into the stores what items show whose writes count differently now. */
  async #settle(record: HomeRecord): Promise<void> {
    const { user_id: userId } = record;
    for (;;) {
      const items = await this.unsettled.of(userId, MAX_ITEMS);
      if (items.length === 0) return;
      await this.applier.settle(record, items, new Map());
      const sets = items.filter(({ kind }) => this.applier.applierOf(kind)?.merge === 'own');
      for (const held of await this.store.kept(userId, sets)) await this.applier.apply(record, held);
      await this.unsettled.remove(userId, items);
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
      const [from, to] = n < line.counted[0] ? [n, line.counted[0]] : [line.counted[0], n];
      const items = await this.store.itemsOnLine(line.userId, line.log, line.id, from, to);
      const hash = n === line.n ? line.hash : (await this.store.places(record.user_id, [[line.log, n]])).find((row) => row.line === line.id)?.hash ?? '';
      moved.push({ line, counted: [n, hash], items });
      this.log.info('a log counts differently', { userId: record.user_id, log: line.log, from: line.counted[0], to: n });
    }
    return moved;
  }

  /** Items that showed a removal which counts no more. */
  async #removals(userId: string, items: readonly ItemName[], moved: readonly Moved[]): Promise<AccountChange[]> {
    const isVoided = (held: HeldOperation): boolean => moved.some(({ line, counted: [n] }) => line.log === held.log && line.id === held.line && held.n > n && held.n <= line.counted[0]);
    const removals: AccountChange[] = [];
    for (let at = 0; at < items.length; at += MAX_ITEMS) {
      const part = items.slice(at, at + MAX_ITEMS);
      const kept = Map.groupBy(await this.store.kept(userId, part), ({ op }) => itemName(op));
      for (const item of part) {
        const applier = this.applier.applierOf(item.kind);
        const shown = shownWrite(concurrentWrites(kept.get(itemName(item)) ?? [], knew), applier?.merge === 'removal-wins');
        const isGone = shown?.value === 'null' && isVoided(shown) && applier !== undefined && applier.merge !== 'own';
        if (isGone) removals.push({ kind: item.kind as AccountChange['kind'], key: item.key, value: null });
      }
    }
    return removals;
  }
}

function knew(a: HeldOperation, b: HeldOperation): boolean {
  if (a.log === b.log) return a.n > b.n;
  return (a.op.after[b.log] ?? []).some(([n]) => n >= b.n);
}
