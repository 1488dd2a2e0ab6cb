import type { Clock } from '../clock.js';
import type { HomeView } from './home-health.js';

/** Protocol §5 rule 3. */
export const minimumStayMs = 10 * 60_000;
export const healthyBeforeReturnMs = 5 * 60_000;

export interface HomeCandidate {
  readonly serverName: string;
  /** Lower is preferred. */
  readonly priority: number;
}

export interface ChoiceLimits {
  /** Home picked by hand; taken as long as it is not down or left. */
  picked?: string;
  /** Homes that have failed for the request in hand. */
  exclude?: ReadonlySet<string>;
}

/**
 * Which home a device talks to: the healthy one of best priority, without hopping to and fro. One per account and device; its
 * state is never shared between devices.
 */
export class HomeChoice {
  private current?: { serverName: string; since: number };

  constructor(
    private readonly clock: Clock,
    private readonly view: (serverName: string) => HomeView,
    private readonly moved: (to: string, from: string | undefined) => void = () => undefined,
  ) {}

  /** The home in use; undefined before the first choice. */
  get currentHome(): string | undefined {
    return this.current?.serverName;
  }

  /**
   * The home for the next request. When every home is down, the best of them: trying is better than not trying.
   * @returns undefined when no candidate is left
   */
  choose(candidates: readonly HomeCandidate[], limits: ChoiceLimits = {}): string | undefined {
    const present = candidates.filter((home) => this.view(home.serverName).state !== 'left');
    const alive = present.filter((home) => this.view(home.serverName).state !== 'down');
    this.settle(alive, limits.picked);
    const allowed = (home: HomeCandidate): boolean => !limits.exclude?.has(home.serverName);
    const usable = alive.filter(allowed);
    if (usable.some((home) => home.serverName === this.current?.serverName)) return this.current?.serverName;
    return (best(usable) ?? best(present.filter(allowed)))?.serverName;
  }

  /** Moves `current` if it has to, or may, move. Exclusions play no part: one failed request is no reason to move. */
  private settle(alive: readonly HomeCandidate[], picked: string | undefined): void {
    const wanted = alive.find((home) => home.serverName === picked);
    const now = alive.find((home) => home.serverName === this.current?.serverName);
    const first = best(alive);
    if (wanted) this.move(wanted.serverName);
    else if (first && (!now || this.mayReturn(now, first))) this.move(first.serverName);
  }

  private mayReturn(from: HomeCandidate, to: HomeCandidate): boolean {
    if (to.priority >= from.priority) return false;
    const { state, since } = this.view(to.serverName);
    const stayed = this.clock.now() - (this.current?.since ?? 0);
    return state === 'healthy' && stayed >= minimumStayMs && this.clock.now() - since >= healthyBeforeReturnMs;
  }

  private move(serverName: string): void {
    const from = this.current?.serverName;
    if (from === serverName) return;
    this.current = { serverName, since: this.clock.now() };
    this.moved(serverName, from);
  }
}

/** The first of best priority; ties by the order of the record. */
function best(homes: readonly HomeCandidate[]): HomeCandidate | undefined {
  return homes.reduce<HomeCandidate | undefined>(
    (first, home) => (first && first.priority <= home.priority ? first : home),
    undefined,
  );
}
