import { Injectable } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { OperationsStore } from './operations.store.js';
import { wireOperation, type Operation, type Vector, type WireOperation } from './operation.js';

/** Operations of one answer or request. */
export const PAGE_OPERATIONS = 200;
/** Characters of values of one answer or request; a single larger one goes alone. */
const PAGE_CHARACTERS = 1_000_000;

export interface OperationPage {
  readonly ops: WireOperation[];
  /** There are more after these. */
  readonly more: boolean;
  /** Operations that are asked for have been dropped; only a copy of the account helps. */
  readonly snapshot_needed: boolean;
  readonly vector: Vector;
}

/** Reads the log in pieces that fit into a request. */
@Injectable()
export class OperationPages {
  constructor(private readonly store: OperationsStore) {}

  /** Operations of the record's homes that the vector does not cover; per home in order. */
  async since(record: HomeRecord, known: Vector): Promise<OperationPage> {
    const userId = record.user_id;
    const vector = await this.store.vector(userId);
    const ops: Operation[] = [];
    for (const { server_name: home } of record.homes) {
      const from = known[home] ?? 0;
      if ((vector[home] ?? 0) <= from) continue;
      const next = await this.store.after(userId, home, from, PAGE_OPERATIONS + 1);
      if (next[0]?.n !== from + 1) return { ops: [], more: false, snapshot_needed: true, vector };
      ops.push(...next);
    }
    const fitting = fit(ops);
    return { ops: fitting.map(wireOperation), more: fitting.length < ops.length, snapshot_needed: false, vector };
  }

  /** A home's own operations after a number, as many as fit; undefined when they are no longer there. */
  async after(userId: string, home: string, n: number): Promise<Operation[] | undefined> {
    const next = await this.store.after(userId, home, n, PAGE_OPERATIONS);
    if (next.length > 0 && next[0]!.n !== n + 1) return undefined;
    return fit(next);
  }
}

function fit(ops: readonly Operation[]): Operation[] {
  let characters = 0;
  const count = ops.findIndex((op, i) => i >= PAGE_OPERATIONS || (i > 0 && (characters += op.value.length + op.key.length) > PAGE_CHARACTERS));
  return ops.slice(0, count < 0 ? ops.length : count);
}
