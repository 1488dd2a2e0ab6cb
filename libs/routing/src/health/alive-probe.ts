import type { Clock } from '../clock.js';
import type { HomeHealth } from './home-health.js';

/** While a request is open, its home is asked this often whether it is alive. */
export const probeEveryMs = 1_000;
export const probeTimeoutMs = 2_000;
/** Homes that are not in use are asked this often, to know when the better one is back. */
export const probeOthersEveryMs = 30_000;

export interface AliveProbeParts {
  clock: Clock;
  health: HomeHealth;
  /** Sends `GET /_matrix/client/versions`; resolves on any answer below 500, rejects otherwise and on abort. */
  ask(serverName: string, signal: AbortSignal): Promise<void>;
  /** All homes of the account. */
  homes(): readonly string[];
}

/**
 * Notices a dead or frozen home while a request hangs there. A long poll is silent for half a minute when all is well, so its
 * silence proves nothing; a cheap request beside it does. Probes overlap: with one every second and two seconds each, a frozen
 * home is down after at most four seconds. Nothing runs while no request is open.
 */
export class AliveProbe {
  private readonly watched = new Map<string, number>();
  private readonly running = new Set<AbortController>();
  private stopTicks?: () => void;
  /** Outlives the pauses between long polls; else it would never come. */
  private othersAt: number;

  constructor(private readonly parts: AliveProbeParts) {
    this.othersAt = parts.clock.now() + probeOthersEveryMs;
  }

  /** Watches a home until the returned function is called. */
  watch(serverName: string): () => void {
    this.watched.set(serverName, (this.watched.get(serverName) ?? 0) + 1);
    if (!this.stopTicks) this.scheduleTick();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      const left = (this.watched.get(serverName) ?? 1) - 1;
      if (left > 0) this.watched.set(serverName, left);
      else this.watched.delete(serverName);
      if (this.watched.size === 0) this.stopTicking();
    };
  }

  /** Asks a home once, now. Resolves to whether it answered; the health is told either way. */
  async probe(serverName: string): Promise<boolean> {
    const { clock, health } = this.parts;
    const started = clock.now();
    const controller = new AbortController();
    this.running.add(controller);
    const cancel = clock.timer(probeTimeoutMs, () => controller.abort());
    try {
      await this.parts.ask(serverName, controller.signal);
      health.probed(serverName, clock.now() - started);
      return true;
    } catch {
      const answeredMeanwhile = health.view(serverName).lastContact > started;
      if (!answeredMeanwhile && this.running.has(controller)) health.silent(serverName);
      return answeredMeanwhile;
    } finally {
      cancel();
      this.running.delete(controller);
    }
  }

  /** Ends all probes without counting them. */
  close(): void {
    this.watched.clear();
    this.stopTicking();
    const open = [...this.running];
    this.running.clear();
    for (const controller of open) controller.abort();
  }

  private scheduleTick(): void {
    this.stopTicks = this.parts.clock.timer(probeEveryMs, () => {
      this.scheduleTick();
      this.tick();
    });
  }

  private stopTicking(): void {
    this.stopTicks?.();
    this.stopTicks = undefined;
  }

  private tick(): void {
    const now = this.parts.clock.now();
    for (const serverName of this.watched.keys()) {
      if (now - this.parts.health.view(serverName).lastContact >= probeEveryMs) void this.probe(serverName);
    }
    if (now < this.othersAt) return;
    this.othersAt = now + probeOthersEveryMs;
    for (const serverName of this.parts.homes()) {
      if (!this.watched.has(serverName)) void this.probe(serverName);
    }
  }
}
