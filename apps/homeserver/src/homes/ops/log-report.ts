import { Injectable } from '@nestjs/common';
import { homeIn, isLogOf, itemName, standingOf, type HomeRecord, type LogPlace } from '#federation';
import { parseStoredJson } from '#json';
import { AccountLogsStore, countedEnds } from './account-logs.store.js';
import type { ModeratedStanding } from '../../accounts/moderation.js';
import { LogLoader } from './log-loader.js';
import { AccountPeersStore } from './account-peers.store.js';
import { OperationsStore } from './operations.store.js';
import { REPORTED_SKEW_MS } from './peer-heads.js';
import { WaitingOperations } from './waiting-operations.js';

/** A log as `GET account/homes` shows it. */
export interface ReportedLog {
  /** Its home by the record; null for a revoked one. */
  readonly server_name: string | null;
  /** Ends of what counts: what a record's `cuts` name. */
  readonly places: readonly LogPlace[];
  /** Two operations of one number: the home lied, or was restored from a backup. */
  readonly forked?: true;
  /** Operations that count no more, or not yet. */
  readonly set_aside?: { readonly count: number; readonly kinds: readonly string[] };
}

/** What another home is known to lack, or to hold differently. */
export interface ReportedPeer {
  readonly unequal?: readonly string[];
  readonly refused?: readonly unknown[];
  /** Milliseconds by which its clock is ahead, when that is more than a minute. */
  readonly clock_skew_ms?: number;
  /** `[log, n]` of operations that have waited for what they knew of for more than a minute. */
  readonly waiting?: readonly (readonly [log: string, n: number])[];
}

/** Says what is not as it should be with the logs of an account (P6). */
@Injectable()
export class LogReport {
  constructor(
    private readonly logs: AccountLogsStore,
    private readonly peers: AccountPeersStore,
    private readonly store: OperationsStore,
    private readonly loader: LogLoader,
    private readonly waiting: WaitingOperations,
  ) {}

  async logsOf(record: HomeRecord): Promise<Record<string, ReportedLog>> {
    const lines = await this.logs.of(record.user_id);
    const ends = countedEnds(lines);
    const report: Record<string, ReportedLog> = {};
    for (const log of new Set(lines.map((line) => line.log))) {
      const own = lines.filter((line) => line.log === log);
      const aside = standingOf(record, log).as === 'open' && own.length === 1 ? [] : own.filter((line) => line.n > line.counted[0]);
      const kinds = aside.length === 0 ? [] : await this.store.kindsBeyond(record.user_id, aside.map((line) => ({ log, line: line.id, n: line.counted[0] })));
      const home = [...record.homes, ...(record.retired ?? [])].find(({ key }) => isLogOf(log, record.user_id, key));
      report[log] = {
        server_name: home?.server_name ?? null, places: ends.get(log) ?? [], ...(own.length > 1 && { forked: true as const }),
        ...(kinds.length > 0 && { set_aside: { count: kinds.reduce((sum, { count }) => sum + count, 0), kinds: kinds.map(({ kind }) => kind) } }),
      };
    }
    return report;
  }

  /** What homes have said that their operators decided about the account there; of each its own word only. */
  async moderationOf(record: HomeRecord): Promise<Map<string, ModeratedStanding>> {
    const items = record.homes.map((home) => ({ kind: 'moderation', key: home.server_name }));
    const { log } = await this.loader.forItems(record, items);
    const found = new Map<string, ModeratedStanding>();
    for (const item of items) {
      const own = log.newest(itemName(item)).find((held) => isLogOf(held.log, record.user_id, homeIn(record, item.key)?.key ?? ''));
      const said = (own && parseStoredJson(own.value)) as Partial<ModeratedStanding> | null | undefined;
      if (said?.locked === true || said?.suspended === true) found.set(item.key, { locked: said.locked === true, suspended: said.suspended === true });
    }
    return found;
  }

  async peersOf(userId: string): Promise<Map<string, ReportedPeer>> {
    return new Map((await this.peers.of(userId)).map(({ home, unequal, refused, skewMs }) => {
      const waiting = this.waiting.named(userId, home);
      return [home, {
        ...(unequal.length > 0 && { unequal }), ...(refused.length > 0 && { refused }), ...(waiting.length > 0 && { waiting }),
        ...(Math.abs(skewMs) > REPORTED_SKEW_MS && { clock_skew_ms: skewMs }),
      }];
    }));
  }
}
