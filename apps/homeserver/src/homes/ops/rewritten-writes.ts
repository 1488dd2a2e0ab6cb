import { Injectable } from '@nestjs/common';
import { CLOSED_KIND, itemName, type HeldOperation, type HomeRecord, type LogLine } from '#federation';
import { parseStoredJson } from '#json';
import { AccountOps, type AccountChange, type AccountOpKind } from '../../accounts/account-ops.js';
import { Database } from '../../storage/database.js';
import { LogLoader, namesOf } from './log-loader.js';
import { OperationLog } from './operation-log.js';
import { OperationsStore } from './operations.store.js';

const PAGE = 500;

/**
 * What this home wrote in an old log beside what others have of that log, because it was restored and had not noticed: it is
 * written again in the new log, which nobody doubts (docs/protocol.md, "Restored from a backup").
 */
@Injectable()
export class RewrittenWrites {
  constructor(
    private readonly ops: AccountOps,
    private readonly loader: LogLoader,
    private readonly store: OperationsStore,
    private readonly log: OperationLog,
    private readonly db: Database,
  ) {}

  /** @param branch the line on which others go on */
  async beside(record: HomeRecord, log: string, branch: Pick<LogLine, 'parent' | 'from'>): Promise<void> {
    const userId = record.user_id;
    if (branch.parent === null) return;
    for (let from = branch.from; ; ) {
      const page = await this.store.onLine(userId, log, branch.parent, from, Number.MAX_SAFE_INTEGER, PAGE);
      const changes = await this.#standing(record, page);
      if (changes.length > 0) await this.db.transaction((tx) => this.log.recordAll(tx, new Map([[userId, changes]])));
      if (page.length === 0) return;
      from = page.at(-1)!.n;
    }
  }

  /** Without what was written over since. */
  async #standing(record: HomeRecord, page: readonly HeldOperation[]): Promise<AccountChange[]> {
    const { log } = await this.loader.forItems(record, namesOf(page.map(({ op }) => op)));
    return page.flatMap(({ op, hash }) => {
      const kind = op.kind as AccountOpKind;
      const merge = this.ops.applier(kind)?.merge;
      if (merge === undefined || kind === CLOSED_KIND) return [];
      const stands = merge === 'own' || log.shown(itemName(op), merge === 'removal-wins')?.hash === hash;
      return stands ? [{ kind, key: op.key, value: parseStoredJson(op.value) as unknown }] : [];
    });
  }
}
