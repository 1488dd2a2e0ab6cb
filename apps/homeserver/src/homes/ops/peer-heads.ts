import { Injectable } from '@nestjs/common';
import { standingOf, type HomeRecord, type LogHead, type LogPlaces } from '#federation';
import { boundedCache } from '../../storage/bounded-cache.js';
import { DatabaseEpoch } from '../../storage/database-epoch.js';
import { Clock } from '../../observability/clock.js';
import { RecordClaims } from '../records/record-claims.js';
import { compareRecordVersions, readVersion, versionOf } from '../records/record-version.js';
import { AccountLogsStore, type StoredLine } from './account-logs.store.js';
import { AccountPeersStore } from './account-peers.store.js';
import { AccountVectors } from './account-vectors.js';
import { HeadSignatures } from './head-signatures.js';
import { LogLoader } from './log-loader.js';
import type { LogKeys } from './brought-operations.js';

/** Heads that are read of one message; the logs of an account's present and former homes, with branches. */
const MAX_HEADS = 500;
/** Who claims heads and does not bring operations is not believed about that account for so long. */
const DISTRUST_MS = 3_600_000;
const MAX_REFUSED = 50;
/** A clock that differs by more is reported. */
export const REPORTED_SKEW_MS = 60_000;

/** What another home said: heads that prove themselves, and what of it is not here. */
export interface HeardHeads {
  readonly heads: readonly LogHead[];
  readonly keys: LogKeys;
  /** Places that are not held here, by log. */
  readonly lacking: LogPlaces;
  /** It does not hold all of this home's own log. */
  readonly isBehind: boolean;
  /** How far it holds the own log; 0 when not at all, or another branch of it. */
  readonly acknowledged: number;
}

/** Listens to what other homes say that they hold. Nothing unsigned counts; nothing moves a log but its operations. */
@Injectable()
export class PeerHeads {
  readonly #listeners = new Map<string, Set<() => void>>();
  readonly #distrusted = boundedCache<string, number>(10_000);

  constructor(
    private readonly logs: AccountLogsStore,
    private readonly peers: AccountPeersStore,
    private readonly loader: LogLoader,
    private readonly vectors: AccountVectors,
    private readonly signatures: HeadSignatures,
    private readonly claims: RecordClaims,
    private readonly epoch: DatabaseEpoch,
    private readonly clock: Clock,
  ) {}

  /** @param said members `version`, `heads`, `now`, `refused` of a request or an answer */
  async hear(record: HomeRecord, home: string, said: { version?: unknown; heads?: unknown; now?: unknown; refused?: unknown }): Promise<HeardHeads> {
    const userId = record.user_id;
    const version = readVersion(said.version);
    if (version && compareRecordVersions(version, versionOf(record)) > 0) this.claims.noticed(home, new Map([[userId, version]]));
    const list: unknown[] = Array.isArray(said.heads) ? said.heads.slice(0, MAX_HEADS) : [];
    const heads = list.flatMap((value) => this.signatures.read(userId, value) ?? []);
    const places = placesOf(heads);
    const proof = { epoch: this.epoch.epoch, run: this.epoch.run };
    const { log, lines } = await this.loader.forPlaces(record, places);
    const lacking: Record<string, [number, string][]> = {};
    for (const head of heads) {
      const at = log.find(head.log, [head.n, head.hash]);
      if (!at && !isBeyondCut(record, head) && !log.isUntaken(head.log)) (lacking[head.log] ??= []).push([head.n, head.hash]);
      else if (at) await this.#note(lines.find((line) => line.log === head.log && line.id === at.line), head);
    }
    const own = lines.find((line) => line.isOwn);
    const acknowledged = own ? Math.max(0, ...(places[own.log] ?? []).filter((place) => log.find(own.log, place)?.line === own.id).map(([n]) => n)) : 0;
    // Nobody else has the key: this database is older than what was signed, also where nobody has the operations any more.
    if (own && lacking[own.log]) await this.epoch.restored('head', proof);
    const isBehind = own !== undefined && acknowledged < own.n;
    const skewMs = Number.isSafeInteger(said.now) ? (said.now as number) - this.clock.now() : undefined;
    const refused = Array.isArray(said.refused) ? said.refused.slice(0, MAX_REFUSED).filter(isRefusal) : undefined;
    await this.peers.heard(userId, home, { places, isBehind, skewMs, refused });
    for (const listener of this.#listeners.get(userId) ?? []) listener();
    return { heads, keys: new Map(heads.map((head) => [head.log, head.key])), lacking: this.isTrusted(userId, home) ? lacking : {}, isBehind, acknowledged };
  }

  /** The next time that a home of the account says what it holds, or the end of the time. */
  next(userId: string, timeoutMs: number): { readonly heard: Promise<void>; readonly cancel: () => void } {
    let end = (): void => undefined;
    const heard = new Promise<void>((resolve) => {
      const listeners = this.#listeners.get(userId) ?? new Set();
      this.#listeners.set(userId, listeners);
      const timer = setTimeout(() => end(), timeoutMs).unref();
      end = () => {
        clearTimeout(timer);
        listeners.delete(end);
        if (listeners.size === 0 && this.#listeners.get(userId) === listeners) this.#listeners.delete(userId);
        resolve();
      };
      listeners.add(end);
    });
    return { heard, cancel: end };
  }

  isTrusted(userId: string, home: string): boolean {
    return (this.#distrusted.get(`${userId} ${home}`) ?? 0) <= this.clock.steady();
  }

  /** It claimed heads whose operations it did not bring. */
  distrust(userId: string, home: string): void {
    this.#distrusted.set(`${userId} ${home}`, this.clock.steady() + DISTRUST_MS);
  }

  /** What was claimed and is still not here, after operations came. Heads that are held by now are handed on. */
  async stillLacking(record: HomeRecord, lacking: LogPlaces, heads: readonly LogHead[] = []): Promise<LogPlaces> {
    if (Object.keys(lacking).length === 0) return lacking;
    const { log, lines } = await this.loader.forPlaces(record, lacking);
    for (const head of heads) {
      const at = lacking[head.log] && log.find(head.log, [head.n, head.hash]);
      if (at) await this.#note(lines.find((line) => line.log === head.log && line.id === at.line), head);
    }
    const entries = Object.entries(lacking).map(([name, places]) => [name, places.filter((place) => !log.find(name, place))] as const);
    return Object.fromEntries(entries.filter(([, places]) => places.length > 0));
  }

  /** The highest signed head of a line is handed on to others; a line that came with a copy is believed when its home shows the end. */
  async #note(line: StoredLine | undefined, { log, n, hash, signature }: LogHead): Promise<void> {
    if (!line || line.isOwn || n <= line.head.n) return;
    await this.logs.setHead(line.userId, log, line.id, { n, hash, signature });
    this.vectors.changed(line.userId);
  }
}

export function placesOf(heads: readonly Pick<LogHead, 'log' | 'n' | 'hash'>[]): LogPlaces {
  const places: Record<string, [number, string][]> = {};
  for (const { log, n, hash } of heads) (places[log] ??= []).push([n, hash]);
  return places;
}

/** Of a revoked home more than the record lets count: nobody has to bring it. */
function isBeyondCut(record: HomeRecord, { log, n }: LogHead): boolean {
  const { as, places } = standingOf(record, log);
  return as === 'cut' && n > Math.max(0, ...places.map(([m]) => m));
}

function isRefusal(value: unknown): boolean {
  return Array.isArray(value) && value.length === 3 && typeof value[0] === 'string' && Number.isSafeInteger(value[1]) && typeof value[2] === 'string' && value[2].length < 100;
}
