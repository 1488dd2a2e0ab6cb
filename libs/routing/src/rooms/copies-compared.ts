import type { Clock } from '../clock.js';

/** Copies of a room may differ for this long: events travel (protocol §5 rule 7). */
export const settleMs = 60_000;
const maxRooms = 200;
const maxEvents = 100;

/** One home's copy of a room. */
export interface Copy {
  readonly serverName: string;
  readonly frontier: readonly string[];
}

export type CopiesVerdict =
  | { kind: 'same' }
  /** They differ, but not for long. */
  | { kind: 'settling' }
  /** These servers lack events that another one has. */
  | { kind: 'withheld'; by: string[] }
  /** Each lacks something of another. */
  | { kind: 'diverged'; servers: string[] };

/** Whether a home can show an event: a request to it. */
export type HasEvent = (serverName: string, eventId: string) => Promise<boolean>;

/**
 * Compares the copies that homes give of a room. A busy room's frontiers always differ by the events of the last second; so not
 * the frontiers are timed but each event that a home lacks.
 */
export class CopiesCompared {
  /** Per room and `server event`: since when it is missing there. */
  private readonly missing = new Map<string, Map<string, number>>();

  constructor(private readonly clock: Clock) {}

  /** To be called from time to time with the frontiers of now. */
  async compare(roomId: string, copies: readonly Copy[], has: HasEvent): Promise<CopiesVerdict> {
    const before = this.missing.get(roomId) ?? new Map<string, number>();
    const now = new Map<string, number>();
    for (const [serverName, eventId] of doubtful(copies, before)) {
      const key = `${serverName} ${eventId}`;
      if (!(await has(serverName, eventId))) now.set(key, before.get(key) ?? this.clock.now());
    }
    this.note(roomId, now);
    return this.verdict(now);
  }

  private note(roomId: string, missing: Map<string, number>): void {
    this.missing.delete(roomId);
    if (missing.size > 0) this.missing.set(roomId, missing);
    for (const oldest of this.missing.keys()) {
      if (this.missing.size <= maxRooms) break;
      this.missing.delete(oldest);
    }
  }

  private verdict(missing: ReadonlyMap<string, number>): CopiesVerdict {
    if (missing.size === 0) return { kind: 'same' };
    const overdue = [...missing].filter(([, since]) => this.clock.now() - since > settleMs);
    const servers = [...new Set(overdue.map(([key]) => key.slice(0, key.indexOf(' '))))].sort();
    if (servers.length === 0) return { kind: 'settling' };
    return servers.length === 1 ? { kind: 'withheld', by: servers } : this.several(servers, overdue.map(([key]) => key));
  }

  /** Several servers may lack the same event, which is then withheld by all of them, or each another. */
  private several(servers: string[], overdue: readonly string[]): CopiesVerdict {
    const everywhere = overdue.every((key) => {
      const eventId = key.slice(key.indexOf(' ') + 1);
      return servers.every((serverName) => overdue.includes(`${serverName} ${eventId}`));
    });
    return everywhere ? { kind: 'withheld', by: servers } : { kind: 'diverged', servers };
  }
}

/** Pairs of server and event worth asking for: new events of others, and what was missing before. */
function doubtful(copies: readonly Copy[], before: ReadonlyMap<string, number>): Array<[string, string]> {
  const servers = new Set(copies.map((copy) => copy.serverName));
  const keys = new Set([...before.keys()].filter((key) => servers.has(key.slice(0, key.indexOf(' ')))));
  const events = new Set(copies.flatMap((copy) => copy.frontier));
  for (const { serverName, frontier } of copies) {
    for (const eventId of events) if (!frontier.includes(eventId)) keys.add(`${serverName} ${eventId}`);
  }
  return [...keys].slice(0, maxEvents).map((key) => [key.slice(0, key.indexOf(' ')), key.slice(key.indexOf(' ') + 1)]);
}
