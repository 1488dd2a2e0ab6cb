import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import type { HomeRecord } from '#federation';
import { Config } from '../../config/config.js';
import { FederationClient } from '../../federation/federation-client.js';
import { UnreachableError } from '../../federation/outgoing/remote-error.js';
import { Log } from '../../observability/log.js';
import { HomeConsents, type Consent } from '../records/home-consents.js';

const FIRST_RETRY_MS = 500;
const MAX_ATTEMPTS = 10;
/** Records under way; more are left to the rooms, which carry them too. */
const MAX_WAITING = 5_000;

interface News {
  readonly record: HomeRecord;
  readonly previous: HomeRecord | undefined;
}

/** Tells the homes of an account, past and present, of its new record; not those that never agreed to be one. */
@Injectable()
export class RecordSpread implements OnModuleDestroy {
  readonly #timers = new Set<NodeJS.Timeout>();
  #stopped = false;

  constructor(
    private readonly config: Config,
    private readonly consents: HomeConsents,
    private readonly federation: FederationClient,
    private readonly log: Log,
  ) {}

  onModuleDestroy(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
  }

  /** Returns at once; servers that are away are tried again for some minutes. */
  tell(record: HomeRecord, previous: HomeRecord | undefined): void {
    const names = new Set([...record.homes, ...(previous?.homes ?? [])].map((home) => home.server_name));
    names.delete(this.config.serverName);
    for (const server of names) void this.#send(server, { record, previous }, 1);
  }

  async #send(destination: string, news: News, attempt: number): Promise<void> {
    const { record } = news;
    try {
      const consent = await this.#consent(destination, news);
      if (consent === 'refused') return;
      if (consent === 'unknown') throw new UnreachableError(destination, 'whether it has agreed to be a home cannot be told now');
      await this.federation.request({
        destination, method: 'POST', path: '/_matrix/federation/unstable/io.partyline/record', body: record, timeoutMs: 10_000,
        ignoreBackoff: attempt === 1,
      });
    } catch (error) {
      this.log.debug('a home could not be told of a record', { destination, userId: record.user_id, reason: String(error) });
      if (!(error instanceof UnreachableError) || attempt >= MAX_ATTEMPTS || this.#stopped || this.#timers.size > MAX_WAITING) return;
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        void this.#send(destination, news, attempt + 1);
      }, FIRST_RETRY_MS * 2 ** attempt).unref();
      this.#timers.add(timer);
    }
  }

  async #consent(server: string, { record, previous }: News): Promise<Consent> {
    const now = await this.consents.of(record, server);
    return now === 'refused' && previous ? this.consents.of(previous, server) : now;
  }
}
