import type { Clock } from '../clock.js';

/** Failures in a row after which a home counts as down (protocol §5 rule 2). */
export const failuresUntilDown = 2;
/** A home that refused to log the account in is tried again after this time: it may only not know the account yet. */
const refusedLoginMs = 5 * 60_000;

export type LeaveReason = 'suspended' | 'deactivated' | 'locked' | 'login_refused';

/** What is known of a home's health. Times are milliseconds since 1970. */
export interface HomeView {
  readonly state: 'unknown' | 'healthy' | 'down' | 'left';
  /** When it entered this state. */
  readonly since: number;
  /** When it last answered anything; 0 for never. */
  readonly lastContact: number;
  /** Duration of the last answer, in milliseconds. */
  readonly latencyMs?: number;
  /** Why the account has left it. */
  readonly reason?: LeaveReason;
}

interface Entry {
  view: HomeView;
  /** Connections that failed and probes without answer, in a row. */
  silences: number;
  /** Requests that ended in 5xx or never, in a row. */
  errors: number;
}

/**
 * Health of each home of one account, from what happened to requests. There are two counters, because a home whose
 * database is gone still answers the probe: an answered probe proves that the home is reachable, not that it works.
 */
export class HomeHealth {
  private readonly entries = new Map<string, Entry>();

  constructor(
    private readonly clock: Clock,
    private readonly changed: (serverName: string, view: HomeView, before: HomeView) => void = () => undefined,
  ) {}

  view(serverName: string): HomeView {
    const entry = this.entry(serverName);
    const { view } = entry;
    if (view.reason === 'login_refused' && this.clock.now() - view.since >= refusedLoginMs) this.rejoin(serverName);
    return entry.view;
  }

  /** A request was answered with something other than a server error; 429 and 4xx count as such. */
  answered(serverName: string, latencyMs: number): void {
    this.entry(serverName).errors = 0;
    this.probed(serverName, latencyMs);
  }

  /** The probe was answered. */
  probed(serverName: string, latencyMs: number): void {
    const entry = this.entry(serverName);
    entry.silences = 0;
    entry.view = { ...entry.view, lastContact: this.clock.now(), latencyMs };
    const { state } = this.view(serverName);
    if (state === 'down') entry.errors = 0;
    if (state !== 'left') this.enter(serverName, { state: 'healthy' });
  }

  /** No connection, or no answer to the probe. */
  silent(serverName: string): void {
    this.entry(serverName).silences++;
    this.countFailure(serverName);
  }

  /** A request got 5xx, or no answer in its time. */
  failed(serverName: string): void {
    this.entry(serverName).errors++;
    this.countFailure(serverName);
  }

  /** The home does not serve this account any more; it is not used until `rejoin`. */
  leave(serverName: string, reason: LeaveReason): void {
    this.enter(serverName, { state: 'left', reason });
  }

  /** Forgets why a home was left, for instance because the person says so or a new record names it. */
  rejoin(serverName: string): void {
    if (this.entry(serverName).view.state === 'left') this.enter(serverName, { state: 'unknown' });
  }

  private countFailure(serverName: string): void {
    const entry = this.entry(serverName);
    if (this.view(serverName).state === 'left' || entry.silences + entry.errors < failuresUntilDown) return;
    this.enter(serverName, { state: 'down' });
  }

  private enter(serverName: string, next: Pick<HomeView, 'state' | 'reason'>): void {
    const entry = this.entry(serverName);
    const before = entry.view;
    if (before.state === next.state && before.reason === next.reason) return;
    entry.view = { ...before, reason: undefined, ...next, since: this.clock.now() };
    this.changed(serverName, entry.view, before);
  }

  private entry(serverName: string): Entry {
    let entry = this.entries.get(serverName);
    if (!entry) {
      entry = { view: { state: 'unknown', since: this.clock.now(), lastContact: 0 }, silences: 0, errors: 0 };
      this.entries.set(serverName, entry);
    }
    return entry;
  }
}
