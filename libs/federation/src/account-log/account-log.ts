import { parseStoredJson } from '#json';
import type { HomeRecord, LogPlace } from '../home-record/index.js';
import { CLOSED_KIND, isClosedLog, type ClosedLog } from './closed-log.js';
import { itemName, type HeldOperation } from './held-operation.js';
import { concurrentWrites, newestOfLogs, shownWrite } from './item-writes.js';
import { isCovered, LogLines, type Coverage, type LinePlace } from './log-lines.js';
import { isLogOf, logPrefix, LOG_PREFIX_CHARACTERS } from './log-name.js';
import { operationHash, type AccountOperation, type LogPlaces } from './operation.js';
import { standingOf, type LogStanding } from './standing.js';
import { isSurplus } from './surplus-logs.js';

/** What is to be done with an operation that somebody brings. `missing`: what it knew of that is not here. */
export type Verdict =
  | { readonly as: 'known' | 'next' | 'fork' }
  | { readonly as: 'waits'; readonly missing: LogPlaces }
  | { readonly as: 'refused'; readonly why: 'revoked' | 'too many logs' | 'too many branches' };

/**
 * The logs of one account as one home holds them: what may be taken, what counts, what each item shows (protocol §4). All
 * answers depend on the record and on what is held, never on the order in which it came.
 *
 * It may be filled in part: with all lines, with the places that the questions are about, and with all operations of the items that
 * are asked for. What a line skips (a copy was taken) is assumed to be an ancestor of its end.
 */
export class AccountLog {
  readonly #logs = new Map<string, LogLines>();
  readonly #held = new Map<string, LinePlace & { readonly log: string }>();
  readonly #hashes = new Map<string, string>();
  readonly #items = new Map<string, HeldOperation[]>();
  readonly #coverages = new Map<string, Coverage>();
  /** Of the current record, because hashing keys takes longer than all else. */
  readonly #standings = new Map<string, LogStanding>();
  readonly #keys = new Map<string, string | undefined>();
  /** Beginnings of the names of logs whose keys earlier records named. */
  readonly #former = new Set<string>();

  constructor(private current: HomeRecord) {}

  get record(): HomeRecord {
    return this.current;
  }

  /** Puts another record of the account in force. */
  follow(record: HomeRecord): void {
    this.learn(this.current);
    this.current = record;
    this.#coverages.clear();
    this.#standings.clear();
    this.#keys.clear();
  }

  /** Shown an earlier record of the account: a key that it names and the present one does not was revoked, and never comes back. */
  learn(earlier: HomeRecord): void {
    for (const { key } of [...earlier.homes, ...(earlier.retired ?? [])]) this.#former.add(logPrefix(earlier.user_id, key));
  }

  get logs(): ReadonlyMap<string, LogLines> {
    return this.#logs;
  }

  linesOf(log: string): LogLines {
    return this.#logs.get(log) ?? new LogLines();
  }

  /** Puts in the lines of a log as they are stored. */
  loadLines(log: string, lines: LogLines): void {
    this.#logs.set(log, lines);
    this.#coverages.clear();
  }

  /** Puts in where an operation stands. */
  loadPlace(log: string, place: LinePlace, hash: string): void {
    this.#held.set(`${log} ${place.n} ${hash}`, { log, ...place });
    this.#hashes.set(`${log} ${place.line} ${place.n}`, hash);
  }

  /** Puts in an operation that is held. */
  load(held: HeldOperation): void {
    const item = itemName(held.op);
    this.loadPlace(held.log, held, held.hash);
    const writes = this.#items.get(item);
    if (!writes) this.#items.set(item, [held]);
    else if (!writes.some((write) => write.hash === held.hash)) writes.push(held);
    if (held.op.kind === CLOSED_KIND) this.#coverages.clear();
  }

  /** Where a place of a log is held; undefined when it is not. */
  find(log: string, [n, hash]: LogPlace): LinePlace | undefined {
    const known = this.#held.get(`${log} ${n} ${hash}`);
    if (known) return known;
    const lines = this.linesOf(log);
    const end = lines.ending(n, hash);
    if (end) return { line: end.id, n };
    const only = lines.isForked ? undefined : lines.all[0];
    return only && n < only.n && !this.#hashes.has(`${log} ${only.id} ${n}`) ? { line: only.id, n } : undefined;
  }

  /** Whether the operation continues what is held. Its signature has been looked at. */
  judge(op: AccountOperation, hash = operationHash(op)): Verdict {
    const { log, n, prev } = op;
    const standing = this.#standing(log);
    if (this.find(log, [n, hash])) return { as: 'known' };
    if (standing.as === 'cut' && n > Math.max(0, ...standing.places.map(([m]) => m))) return { as: 'refused', why: 'revoked' };
    if (this.isSurplus(log)) return { as: 'refused', why: 'too many logs' };
    const missing = this.#missing(op);
    const before = prev === null ? undefined : this.find(log, [n - 1, prev]);
    if (prev !== null && !before) missing[log] = [[n - 1, prev]];
    if (Object.keys(missing).length > 0) return { as: 'waits', missing };
    const lines = this.linesOf(log);
    const isNext = before ? lines.line(before.line)!.n === before.n : lines.all.length === 0;
    if ((!isNext || lines.isForked) && !lines.admits(before, isNext ? undefined : hash)) return { as: 'refused', why: 'too many branches' };
    return { as: isNext ? 'next' : 'fork' };
  }

  /** Takes an operation that was judged `next` or `fork`. */
  take(op: AccountOperation, hash = operationHash(op)): HeldOperation {
    const { log, n, prev } = op;
    let lines = this.#logs.get(log);
    if (!lines) this.#logs.set(log, (lines = new LogLines()));
    const before = prev === null ? undefined : this.find(log, [n - 1, prev]);
    const present = before && lines.line(before.line)!;
    let line = present?.id ?? 0;
    if (present && present.n === n - 1) {
      lines.set({ ...present, n, hash });
    } else {
      line = lines.nextId;
      const beside = present ? this.#hashes.get(`${log} ${present.id} ${n}`) : lines.all[0]?.first;
      lines.set({ id: line, parent: present?.id ?? null, from: n - 1, first: hash, beside: beside ?? null, n, hash });
    }
    const held: HeldOperation = { op, hash, log, line, n, home: op.home, ms: op.ms, value: op.value };
    this.#coverages.delete(log);
    this.load(held);
    return held;
  }

  /** Believes a signed head: a copy has brought what its operations set, or will not be had. Forked logs are fetched, not copied. */
  jump(log: string, [n, hash]: LogPlace): void {
    const lines = this.linesOf(log);
    const [line] = lines.all;
    if (lines.isForked || (line && line.n >= n)) return;
    lines.set(line ? { ...line, n, hash } : { id: 0, parent: null, from: 0, first: '', beside: null, n, hash });
    this.loadLines(log, lines);
  }

  /** Whether its key has so many lower logs that it never counts. */
  isSurplus(log: string): boolean {
    return isSurplus(log, this.#logs.keys());
  }

  /** Whether a place that is not held may be one that this home does not take, whoever has it: nothing waits for it. */
  isUntaken(log: string): boolean {
    return this.isSurplus(log) || this.linesOf(log).isCrowded;
  }

  /** How far a log counts. */
  coverage(log: string): Coverage {
    let coverage = this.#coverages.get(log);
    if (!coverage) {
      coverage = this.#cover(log);
      this.#coverages.set(log, coverage);
    }
    return coverage;
  }

  counts(held: { readonly log: string } & LinePlace): boolean {
    return isCovered(this.coverage(held.log), held);
  }

  /** Whether all homes in force have said what they hold of the log of a retired one; else what is beyond may still count. */
  isClosed(log: string): boolean {
    if (this.#standing(log).as !== 'closing') return true;
    const said = this.#closings(log);
    const by = new Set(said.map((held) => this.#keyInForce(held.log)));
    return this.current.homes.every(({ key }) => by.has(key));
  }

  /** The ends of all that counts, but for a log: what its next operation comes after. */
  ends(except?: string): LogPlaces {
    const entries = [...this.#logs].filter(([log]) => log !== except)
      .map(([log]) => [log, this.endsOf(log)] as const);
    return Object.fromEntries(entries.filter(([, places]) => places.length > 0).sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  endsOf(log: string): LogPlace[] {
    return this.linesOf(log).ends(this.coverage(log), ({ line, n }) => this.#hashes.get(`${log} ${line} ${n}`));
  }

  /** Names of all items of which something is held. */
  get items(): IterableIterator<string> {
    return this.#items.keys();
  }

  /** The writes of an item that homes keep: the newest of each log. */
  newest(item: string): HeldOperation[] {
    const writes = (this.#items.get(item) ?? []).filter((write) => this.counts(write));
    return newestOfLogs(writes, (a, b) => this.knows(a, b));
  }

  /** The writes of an item that no other knew of. */
  concurrent(item: string): HeldOperation[] {
    return concurrentWrites(this.newest(item), (a, b) => this.knows(a, b));
  }

  /** @param removalWins see `shownWrite` */
  shown(item: string, removalWins = false): HeldOperation | undefined {
    return shownWrite(this.concurrent(item), removalWins);
  }

  /**
   * Whether the writer of `a` held `b`. What it named beyond a cut counts as the cut. In a copy somebody may name what does not exist, and
   * would know of what knew of him: then both would be known, and nothing shown.
   */
  knows(a: HeldOperation, b: HeldOperation): boolean {
    if (a.hash === b.hash) return false;
    const lines = this.linesOf(b.log);
    if (a.log === b.log) return lines.leadsTo(b, a);
    return (a.op.after[b.log] ?? []).some((place) => {
      const at = this.find(b.log, place);
      if (!at) return this.#standing(b.log).as !== 'open' || !this.#holds(b, a);
      return !isCovered(this.coverage(b.log), at) || lines.leadsTo(b, at);
    });
  }

  /** Whether the writer of `a` names what is here and leads from `b`. */
  #holds(a: HeldOperation, b: HeldOperation): boolean {
    return (a.op.after[b.log] ?? []).some((place) => {
      const at = this.find(b.log, place);
      return at !== undefined && this.linesOf(b.log).leadsTo(b, at);
    });
  }

  #missing(op: AccountOperation): Record<string, LogPlace[]> {
    const missing: Record<string, LogPlace[]> = {};
    for (const [log, places] of Object.entries(op.after)) {
      const lacking = places.filter((place) => !this.find(log, place) && !this.#isBeyond(log, place));
      if (lacking.length > 0) missing[log] = lacking;
    }
    return missing;
  }

  /** Whether a place that is not held lies beyond what can ever count. */
  #isBeyond(log: string, [n]: LogPlace): boolean {
    if (this.isUntaken(log)) return true;
    const { as } = this.#standing(log);
    if (as === 'open' || !this.isClosed(log) || !this.#isKnown(log)) return false;
    const bounds = this.#bounds(log);
    return n > Math.max(0, ...bounds.map(([m]) => m)) || bounds.every((bound) => this.find(log, bound) !== undefined);
  }

  /** Whether a record has ever named the key of a log. One that none has may be a home that this one has yet to hear of. */
  #isKnown(log: string): boolean {
    if (this.#standing(log).as === 'closing' || this.current.cuts?.[log] !== undefined) return true;
    return this.#former.has(log.slice(0, LOG_PREFIX_CHARACTERS)) || this.#keyInForce(log) !== undefined;
  }

  #cover(log: string): Coverage {
    const lines = this.linesOf(log);
    if (this.isSurplus(log)) return new Map();
    const all = lines.held();
    if (this.#standing(log).as === 'open') return all;
    const places: LinePlace[] = [];
    for (const bound of this.#bounds(log)) {
      const at = this.find(log, bound);
      if (at) places.push(at);
      // Not here yet: what may lead to it counts until it is seen that it does not.
      else for (const line of lines.all) if (line.n < bound[0]) places.push({ line: line.id, n: line.n });
    }
    const bounded = lines.upTo(places);
    return new Map([...all].flatMap(([line, n]) => {
      const least = Math.min(n, bounded.get(line) ?? 0);
      return least > 0 ? [[line, least]] : [];
    }));
  }

  #bounds(log: string): LogPlace[] {
    const { as, places } = this.#standing(log);
    if (as !== 'closing') return [...places];
    return [...places, ...this.#closings(log).flatMap((held) => (parseStoredJson(held.value) as ClosedLog).places)];
  }

  /** What homes in force say about a log; in their own logs, which are not closing, so that this ends. */
  #closings(log: string): HeldOperation[] {
    const writes = this.#items.get(itemName({ kind: CLOSED_KIND, key: log })) ?? [];
    return writes.filter((held) => isClosedLog(held.value) && this.#keyInForce(held.log) !== undefined && this.counts(held));
  }

  #standing(log: string): LogStanding {
    let standing = this.#standings.get(log);
    if (!standing) this.#standings.set(log, (standing = standingOf(this.current, log)));
    return standing;
  }

  #keyInForce(log: string): string | undefined {
    if (!this.#keys.has(log)) this.#keys.set(log, this.current.homes.find(({ key }) => isLogOf(log, this.current.user_id, key))?.key);
    return this.#keys.get(log);
  }
}
