import type { HomeCandidate } from '../health/home-choice.js';

/** A replica that a home has heard from within this time counts as reached. */
export const reachedWithinMs = 5 * 60_000;
const maxReplicas = 1_000;
const maxFrontier = 100;

/** What a home says of a room in `GET …/rooms/{roomId}/reach`. */
export interface Reach {
  /** Last good contact per replica, milliseconds since 1970; 0 for never. */
  readonly replicas: Readonly<Record<string, number>>;
  /** The newest events that the home has. */
  readonly frontier: readonly string[];
}

/**
 * Reads `{"frontier": [event ids], "replicas": {server name: {"last_contact_ts": milliseconds or null}}}`, leniently: what is
 * not understood is left out.
 */
export function readReach(body: Record<string, unknown>): Reach {
  const replicas = typeof body['replicas'] === 'object' && body['replicas'] !== null ? Object.entries(body['replicas']) : [];
  const frontier = Array.isArray(body['frontier']) ? body['frontier'] : [];
  return {
    replicas: Object.fromEntries(replicas.slice(0, maxReplicas).map(([serverName, contact]) => {
      const at: unknown = (contact as { last_contact_ts?: unknown } | null)?.last_contact_ts;
      return [serverName, typeof at === 'number' ? at : 0];
    })),
    frontier: frontier.filter((id) => typeof id === 'string').slice(0, maxFrontier),
  };
}

/**
 * The home to send through for a room: the one that reaches most of its replicas; with equal reach the one in use, then
 * the one of best priority (protocol §5 rule 6).
 * @param reach per home that has answered
 * @returns undefined when none has
 */
export function homeByReach(
  reach: ReadonlyMap<string, Reach>,
  candidates: readonly HomeCandidate[],
  current: string | undefined,
  now: number,
): string | undefined {
  const ranked = candidates.filter((home) => reach.has(home.serverName)).map((home) => ({
    ...home,
    reached: reachedBy(home.serverName, reach.get(home.serverName)!, now),
    inUse: home.serverName === current ? 0 : 1,
  }));
  ranked.sort((a, b) => b.reached - a.reached || a.inUse - b.inUse || a.priority - b.priority);
  return ranked[0]?.serverName;
}

function reachedBy(serverName: string, { replicas }: Reach, now: number): number {
  return Object.entries(replicas).filter(([name, at]) => name === serverName || now - at <= reachedWithinMs).length;
}
