import { Injectable } from '@nestjs/common';
import { AccountLog, CLOSED_KIND, type AccountOperation, type HomeRecord, type LogPlaces } from '#federation';
import { parseStoredJson } from '#json';
import { AccountLogsStore, linesByLog, type StoredLine } from './account-logs.store.js';
import { FormerRecords } from './former-records.js';
import { OperationsStore, type ItemName } from './operations.store.js';

/** An account's logs with what some operations need to be judged. */
export interface LoadedLog {
  readonly log: AccountLog;
  readonly lines: readonly StoredLine[];
}

/** Reads so much of an account's logs into memory as a question takes: a few queries, however many operations it is about. */
@Injectable()
export class LogLoader {
  constructor(
    private readonly logs: AccountLogsStore,
    private readonly store: OperationsStore,
    private readonly former: FormerRecords,
  ) {}

  /** For judging and merging operations of the account. */
  async forOperations(record: HomeRecord, ops: readonly AccountOperation[]): Promise<LoadedLog> {
    const loaded = await this.#base(record, ops.some(({ kind }) => kind === CLOSED_KIND));
    await this.#places(loaded, ops.flatMap((op): (readonly [string, number])[] => [
      [op.log, op.n], [op.log, op.n - 1], ...Object.entries(op.after).flatMap(([log, places]) => places.map(([n]) => [log, n] as const)),
    ]));
    const kept = await this.store.kept(record.user_id, namesOf(ops));
    await this.#hold(loaded, kept.map(({ op }) => op), kept);
    return loaded;
  }

  /** For asking what items show. */
  async forItems(record: HomeRecord, items: readonly ItemName[]): Promise<LoadedLog> {
    const loaded = await this.#base(record, false);
    const kept = await this.store.kept(record.user_id, items);
    await this.#hold(loaded, kept.map(({ op }) => op), kept);
    return loaded;
  }

  /** For asking which places are held. */
  async forPlaces(record: HomeRecord, places: LogPlaces): Promise<LoadedLog> {
    const loaded = await this.#base(record, false);
    await this.#places(loaded, Object.entries(places).flatMap(([log, list]) => list.map(([n]) => [log, n] as const)));
    return loaded;
  }

  /** All lines, and what former homes' logs are bounded by. */
  async #base(record: HomeRecord, withClosings: boolean): Promise<LoadedLog> {
    const userId = record.user_id;
    const lines = await this.logs.of(userId);
    const log = new AccountLog(record);
    for (const earlier of await this.former.of(userId)) log.learn(earlier);
    const shapes = linesByLog(lines);
    for (const [name, shape] of shapes) log.loadLines(name, shape);
    // Most questions are about the ends, which are here.
    for (const line of lines) log.loadPlace(line.log, { line: line.id, n: line.n }, line.hash);
    const loaded = { log, lines };
    if (withClosings || (record.retired ?? []).length > 0) {
      const closings = await this.store.keptOfKind(userId, CLOSED_KIND);
      await this.#places(loaded, closings.flatMap((held) => closedPlaces(held.op)));
      for (const held of closings) log.load(held);
    }
    await this.#places(loaded, Object.entries(record.cuts ?? {}).flatMap(([name, places]) => places.map(([n]) => [name, n] as const)));
    return loaded;
  }

  async #hold(loaded: LoadedLog, ops: readonly AccountOperation[], held: readonly Parameters<AccountLog['load']>[0][]): Promise<void> {
    const forked = new Set([...loaded.log.logs].filter(([, shape]) => shape.isForked).map(([name]) => name));
    // Of logs that never forked the numbers tell enough.
    if (forked.size > 0) await this.#places(loaded, ops.flatMap((op) => Object.entries(op.after).flatMap(([log, places]) => places.map(([n]) => [log, n] as const))));
    for (const one of held) loaded.log.load(one);
  }

  async #places({ log, lines }: LoadedLog, wanted: readonly (readonly [string, number])[]): Promise<void> {
    const ends = new Map<string, number>();
    for (const line of lines) ends.set(line.log, Math.max(line.n, ends.get(line.log) ?? 0));
    const isEnd = (name: string, n: number): boolean => n === ends.get(name) && !log.linesOf(name).isForked;
    const due = wanted.filter(([name, n]) => n >= 1 && n <= (ends.get(name) ?? 0) && !isEnd(name, n));
    const unique = new Map(due.map((place) => [`${place[0]} ${place[1]}`, place]));
    for (const row of await this.store.places(log.record.user_id, [...unique.values()])) log.loadPlace(row.log, row, row.hash);
  }
}

export function namesOf(ops: readonly ItemName[]): ItemName[] {
  return [...new Map(ops.map(({ kind, key }) => [`${kind}\0${key}`, { kind, key }])).values()];
}

function closedPlaces(op: AccountOperation): (readonly [string, number])[] {
  const { places } = (parseStoredJson(op.value) ?? {}) as { places?: unknown };
  return Array.isArray(places) ? places.flatMap((place: unknown) => (Array.isArray(place) && Number.isSafeInteger(place[0]) ? [[op.key, place[0] as number] as const] : [])) : [];
}
