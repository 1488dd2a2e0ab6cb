import type { HomeCandidate, HomeChoice } from '../health/home-choice.js';
import type { HomeHealth, LeaveReason } from '../health/home-health.js';
import type { Answer } from '../homes/answer.js';
import { HomeRefused, HomeSilent } from '../homes/home-failure.js';
import type { AliveProbe } from '../health/alive-probe.js';
import type { Clock } from '../clock.js';
import type { RequestKind } from './request-kind.js';

/** A home that answered this long ago may have died since; a request that must not be repeated is not risked on it. */
const freshMs = 2_000;

export interface HomeLoopParts {
  clock: Clock;
  choice: HomeChoice;
  health: HomeHealth;
  probe: AliveProbe;
  candidates(): readonly HomeCandidate[];
  /** The person's pick for the account. */
  picked(): string | undefined;
}

export interface Plan {
  kind: RequestKind;
  /** A home to prefer for this request, if it is alive: that of a token, or of a room. */
  preferred?: string;
  signal?: AbortSignal;
  /** Makes the request at a home. */
  attempt(serverName: string): Promise<Answer>;
}

type Failure = { answer: Answer } | { error: unknown };

/**
 * Tries homes until one answers, by the rules of protocol §5: what could do a thing twice is not repeated once it may
 * have arrived; every other error of the home, other than a server error, is the app's to see.
 */
export class HomeLoop {
  constructor(private readonly parts: HomeLoopParts) {}

  /**
   * @returns the answer for the app, of the last home if all failed with 5xx
   * @throws TypeError like `fetch` when no home answered, or the app's abort reason
   */
  async run(plan: Plan): Promise<Answer> {
    const failures = new Map<string, number>();
    const exclude = new Set<string>();
    let last: Failure | undefined;
    for (let serverName = this.pick(plan, exclude); serverName !== undefined; serverName = this.pick(plan, exclude)) {
      const result = await this.tryHome(serverName, plan);
      if ('done' in result) return result.done;
      // An answer tells the app more than silence does.
      if (!last || 'answer' in result.failed || !('answer' in last)) last = result.failed;
      if (result.mayHaveHappened && plan.kind.repeat === 'unsent') {
        // The app will try again, and should then not meet the same home if that is dead.
        if ('error' in result.failed) void this.parts.probe.probe(serverName);
        break;
      }
      const count = (failures.get(serverName) ?? 0) + 1;
      failures.set(serverName, count);
      await this.decideOnHome(serverName, plan, result, count, exclude);
      plan.signal?.throwIfAborted();
    }
    if (last && 'answer' in last) return last.answer;
    throw new TypeError('fetch failed', { cause: last?.error ?? new Error('no home is left for this account') });
  }

  private pick(plan: Plan, exclude: ReadonlySet<string>): string | undefined {
    const { choice, health, candidates, picked } = this.parts;
    const { preferred } = plan;
    const usable = preferred !== undefined && !exclude.has(preferred) && candidates().some((home) => home.serverName === preferred)
      && !['down', 'left'].includes(health.view(preferred).state);
    return usable ? preferred : choice.choose(candidates(), { picked: picked(), exclude });
  }

  private async tryHome(serverName: string, plan: Plan): Promise<{ done: Answer } | FailedTry> {
    if (plan.kind.repeat === 'unsent' && !(await this.isFresh(serverName))) {
      return { failed: { error: new Error(`no answer from ${serverName}`) }, mayHaveHappened: false, hopeless: false };
    }
    try {
      return this.judge(serverName, await plan.attempt(serverName));
    } catch (error) {
      if (error instanceof HomeSilent) return { failed: { error }, mayHaveHappened: !error.neverSent, hopeless: false };
      if (error instanceof HomeRefused) return this.refused(serverName, error);
      throw error;
    }
  }

  private judge(serverName: string, answer: Answer): { done: Answer } | FailedTry {
    const reason = leaveReason(answer);
    if (reason) this.parts.health.leave(serverName, reason);
    if (reason) return { failed: { answer }, mayHaveHappened: false, hopeless: true };
    if (answer.status >= 500 && answer.status !== 501) return { failed: { answer }, mayHaveHappened: true, hopeless: false };
    return { done: answer };
  }

  private refused(serverName: string, { answer, step }: HomeRefused): FailedTry {
    const reason = leaveReason(answer) ?? (step === 'login' && answer.status < 500 && answer.status !== 429 ? 'login_refused' : undefined);
    if (reason) this.parts.health.leave(serverName, reason);
    return { failed: { answer }, mayHaveHappened: false, hopeless: true };
  }

  /** After a failure: whether this home may be tried again for this request. */
  private async decideOnHome(
    serverName: string,
    plan: Plan,
    result: FailedTry,
    count: number,
    exclude: Set<string>,
  ): Promise<void> {
    const { health, probe, candidates } = this.parts;
    if (result.hopeless || count >= 2) {
      exclude.add(serverName);
      return;
    }
    const others = candidates().some((home) => home.serverName !== serverName && !exclude.has(home.serverName)
      && !['down', 'left'].includes(health.view(home.serverName).state));
    // A write goes on at once; a sync stays, unless its home is down, because moving it costs more than a second try.
    if (plan.kind.name !== 'sync' && others) {
      exclude.add(serverName);
      if (health.view(serverName).state !== 'down') void probe.probe(serverName);
      return;
    }
    const alive = health.view(serverName).state !== 'down' && await probe.probe(serverName);
    if (!alive) exclude.add(serverName);
  }

  private async isFresh(serverName: string): Promise<boolean> {
    const { clock, health, probe } = this.parts;
    return clock.now() - health.view(serverName).lastContact <= freshMs || probe.probe(serverName);
  }
}

interface FailedTry {
  failed: Failure;
  /** Whether the home may have done what was asked. */
  mayHaveHappened: boolean;
  /** Whether a second try there is pointless. */
  hopeless: boolean;
}

/** Why an answer means that the account has no place at this home any more (protocol §5 rule 2). */
function leaveReason(answer: Answer): LeaveReason | undefined {
  if (answer.status !== 401 && answer.status !== 403) return undefined;
  if (answer.errcode === 'M_USER_SUSPENDED') return 'suspended';
  if (answer.errcode === 'M_USER_DEACTIVATED') return 'deactivated';
  return answer.errcode === 'M_USER_LOCKED' ? 'locked' : undefined;
}
