import {
  AccountLog, CLOSED_KIND, isLogOf, itemName, logName, standingOf, type AccountOperation, type HomeRecord, type LogPlace,
} from '../../../libs/federation/src/index.js';
import { hashOf } from './hash-of.js';

/** A home of the model: what an honest server does with the pure core, without a network or a database. */
export class ModelHome {
  log: AccountLog;
  /** In the order in which they were taken. */
  ops: AccountOperation[] = [];
  ownLog: string | null = null;
  /** Hash of the last own operation. */
  end: string | null = null;
  /** Operations of retired homes that it held when it heard of that: they stand. */
  readonly stands: AccountOperation[] = [];
  /** Records that were in force before, its own and those that others have shown: they prove themselves. */
  former: HomeRecord[] = [];
  #logs = 0;
  readonly #standings = new Map<string, string>();

  constructor(readonly name: string, public key: string, record: HomeRecord, private readonly userId: string, readonly clock: number) {
    this.log = new AccountLog(record);
  }

  get record(): HomeRecord {
    return this.log.record;
  }

  get isInForce(): boolean {
    return this.record.homes.some((home) => home.key === this.key);
  }

  /** What it shows of an item: JSON text. */
  shown(key: string): string | undefined {
    return this.log.shown(itemName({ kind: 'data', key }))?.value;
  }

  /** Writes to its own log, knowing all that counts here. */
  write(kind: string, key: string, value: string, ms: number): AccountOperation {
    const [only, ...others] = this.ownLog === null ? [] : this.log.linesOf(this.ownLog).all;
    // Somebody else has operations of the log, or it forked: this home lost its memory.
    const isMine = only !== undefined && others.length === 0 && only.hash === this.end && this.log.record.cuts?.[this.ownLog!] === undefined;
    if (!isMine) this.beginAnew();
    const prev = isMine ? only : null;
    const log = this.ownLog!;
    const op: AccountOperation = {
      user_id: this.userId, log, n: (prev?.n ?? 0) + 1, prev: prev?.hash ?? null, after: this.log.ends(log), home: this.name,
      ms: Math.max(0, ms + this.clock), kind, key, value, signature: '',
    };
    this.log.take(op, hashOf(op));
    this.ops.push(op);
    this.end = hashOf(op);
    return op;
  }

  beginAnew(): void {
    this.ownLog = logName(this.userId, this.key, `${this.name.slice(0, 1)}${String(++this.#logs).padStart(9, '0')}`);
    this.end = null;
  }

  /** Takes what can be taken of operations. */
  take(list: readonly AccountOperation[]): void {
    const held = new Set(this.ops);
    let due = list.filter((op) => !held.has(op));
    for (let isNew = true; isNew;) {
      isNew = false;
      for (const op of due) {
        const { as } = this.log.judge(op, hashOf(op));
        if (as !== 'next' && as !== 'fork') continue;
        this.log.take(op, hashOf(op));
        this.ops.push(op);
        isNew = true;
      }
      due = due.filter((op) => this.log.judge(op, hashOf(op)).as !== 'known');
    }
    this.close();
  }

  /** What it hands to another home. */
  given(): AccountOperation[] {
    return this.ops.filter((op) => {
      if (this.#standing(this.record, op.log) !== 'cut') return true;
      const at = this.log.find(op.log, [op.n, hashOf(op)]);
      return at !== undefined && this.log.counts({ log: op.log, ...at });
    });
  }

  /** Puts a record in force: says what it holds of retired homes, and repeats removals that a cut would undo. */
  follow(record: HomeRecord): void {
    if (record.seq <= this.record.seq) return;
    const items = new Set(this.ops.filter((op) => op.kind === 'data').map((op) => op.key));
    const removed = [...items].filter((key) => this.shown(key) === 'null');
    const closings = this.#closings(record);
    this.learn([this.record]);
    this.log.follow(record);
    if (!this.isInForce) return;
    for (const [log] of closings) this.stands.push(...this.ops.filter((op) => op.log === log));
    for (const [log, places] of closings) this.write(CLOSED_KIND, log, JSON.stringify({ log, key: '', places }), 0);
    for (const key of removed) if (this.shown(key) !== 'null') this.write('data', key, 'null', 0);
  }

  /** Is shown earlier records. */
  learn(earlier: readonly HomeRecord[]): void {
    for (const record of earlier) {
      if (this.former.includes(record) || record.seq > this.record.seq) continue;
      this.former.push(record);
      this.log.learn(record);
    }
  }

  /** Says what is held of logs of retired homes that were heard of since. */
  close(): void {
    if (!this.isInForce) return;
    for (const [log, places] of this.#closings(this.record)) this.write(CLOSED_KIND, log, JSON.stringify({ log, key: '', places }), 0);
  }

  /** Goes back to the first operations that it had; everything later is forgotten. */
  restore(count: number, record: HomeRecord, notices: boolean): void {
    const kept = this.ops.slice(0, count);
    this.log = new AccountLog(record);
    const former = this.former;
    this.former = [];
    this.learn(former);
    this.ops = [];
    const own = kept.filter((op) => isLogOf(op.log, this.userId, this.key)).at(-1);
    for (const op of kept) {
      this.log.take(op, hashOf(op));
      this.ops.push(op);
    }
    this.ownLog = own?.log ?? null;
    this.end = own ? hashOf(own) : null;
    if (notices) this.beginAnew();
  }

  #standing(record: HomeRecord, log: string): string {
    const name = `${record.seq} ${log}`;
    const known = this.#standings.get(name) ?? standingOf(record, log).as;
    this.#standings.set(name, known);
    return known;
  }

  #closings(record: HomeRecord): [string, LogPlace[]][] {
    const said = new Set(this.ops.filter((op) => op.kind === CLOSED_KIND && isLogOf(op.log, this.userId, this.key)).map((op) => op.key));
    const logs = [...this.log.logs.keys()].filter((log) => this.#standing(record, log) === 'closing' && !said.has(log));
    return logs.map((log) => [log, this.log.linesOf(log).all.map((line): LogPlace => [line.n, line.hash])]);
  }
}
