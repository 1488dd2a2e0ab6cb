import { Injectable } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { Clock } from '../../observability/clock.js';
import { AccountLogsStore } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { PeerHeads } from './peer-heads.js';
import { RefusedOperationsStore } from './refused-operations.store.js';
import { SharedAccounts } from './shared-accounts.js';

/** How long a writer waits for other homes (protocol §5). */
const WAIT_MS = 5_000;

/** Tells a writer which homes have committed and applied what was just written to an account's log. */
@Injectable()
export class HomeAcknowledgements {
  constructor(
    private readonly config: Config,
    private readonly shared: SharedAccounts,
    private readonly logs: AccountLogsStore,
    private readonly peers: AccountPeersStore,
    private readonly refused: RefusedOperationsStore,
    private readonly heads: PeerHeads,
    private readonly clock: Clock,
  ) {}

  /**
   * @param since milliseconds: what was written from then on is asked about
   * @param count homes that are to have it, this one included; waits 5 s at most
   * @returns their names, this one first
   */
  async wait(userId: string, since: number, count: number): Promise<string[]> {
    const others = this.shared.others(userId);
    const own = (await this.logs.of(userId)).find((line) => line.isOwn);
    const wanted = Math.min(count - 1, others.length);
    if (!own || wanted <= 0) return [this.config.serverName];
    const first = await this.refused.firstSince(userId, own.log, own.n, since);
    const until = this.clock.steady() + WAIT_MS;
    for (;;) {
      const news = this.heads.next(userId, Math.max(1, until - this.clock.steady()));
      const have = (await this.peers.of(userId)).filter(({ home, places, refused }) => {
        const holds = others.includes(home) && (places[own.log] ?? []).some(([n]) => n >= own.n);
        // It holds what its stores did not take as well, so that the log goes on.
        return holds && !refused.some((one) => Array.isArray(one) && one[0] === own.log && (one[1] as number) >= first && (one[1] as number) <= own.n);
      });
      if (have.length >= wanted || this.clock.steady() >= until) {
        news.cancel();
        return [this.config.serverName, ...have.map(({ home }) => home)];
      }
      await news.heard;
    }
  }
}
