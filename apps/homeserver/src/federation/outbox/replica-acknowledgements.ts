import { boundedCache } from '../../storage/bounded-cache.js';

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

const MAX_EVENTS = 5_000;
/** Nobody asks for more replicas than this; of servers that refuse as many are named. */
const MAX_SERVERS = 16;

/** What other servers have said of an own event, as far as this one remembers. */
export interface ReplicaAnswers {
  /** Those that show it, or its twin. */
  readonly replicas: readonly string[];
  /** Of these, who shows another event in its place (protocol §3 rule 6), and which. */
  readonly twins: Readonly<Record<string, string>>;
  /** Those that do not show it, and why. */
  readonly refused: Readonly<Record<string, string>>;
}

interface Answers {
  /** Event id of the twin by server; null where the event itself is shown. */
  readonly taken: Map<string, string | null>;
  readonly refused: Map<string, string>;
}

/** Remembers for a while which servers show an own event, which refuse it, and lets senders wait for that. */
export class ReplicaAcknowledgements {
  readonly #answers = boundedCache<string, Answers>(MAX_EVENTS);
  readonly #waiters = new Map<string, Set<Waiter>>();

  /** @param twin the event that the server shows in its place */
  acknowledge(eventId: string, server: string, twin?: string): void {
    const { taken, refused } = this.#of(eventId);
    // A server may come to show later what it did not at first.
    refused.delete(server);
    if (taken.size >= MAX_SERVERS && !taken.has(server)) return;
    taken.set(server, twin ?? null);
    for (const waiter of [...(this.#waiters.get(eventId) ?? [])]) if (taken.size >= waiter.count) waiter.resolve();
  }

  refuse(eventId: string, server: string, reason: string): void {
    const { taken, refused } = this.#of(eventId);
    taken.delete(server);
    if (refused.size < MAX_SERVERS || refused.has(server)) refused.set(server, reason);
  }

  has(eventId: string): boolean {
    return this.#answers.has(eventId);
  }

  answers(eventId: string): ReplicaAnswers {
    const answers = this.#answers.get(eventId);
    const taken = [...(answers?.taken ?? [])];
    return {
      replicas: taken.map(([server]) => server),
      twins: Object.fromEntries(taken.flatMap(([server, twin]) => (twin === null ? [] : [[server, twin]]))),
      refused: Object.fromEntries(answers?.refused ?? []),
    };
  }

  /** The servers that have acknowledged the event, as soon as there are `count`, or when the time is over. */
  async wait(eventId: string, count: number, timeoutMs: number): Promise<string[]> {
    const known = () => [...(this.#answers.get(eventId)?.taken.keys() ?? [])];
    if (known().length >= count) return known();
    await new Promise<void>((resolve) => {
      const waiters = this.#waiters.get(eventId) ?? new Set();
      const end = () => {
        clearTimeout(timer);
        waiters.delete(waiter);
        if (waiters.size === 0) this.#waiters.delete(eventId);
        resolve();
      };
      const waiter: Waiter = { count: Math.min(count, MAX_SERVERS), resolve: end };
      const timer = setTimeout(end, timeoutMs);
      waiters.add(waiter);
      this.#waiters.set(eventId, waiters);
    });
    return known();
  }

  /** Ends all waiting: the server stops. */
  stop(): void {
    for (const waiters of [...this.#waiters.values()]) for (const waiter of [...waiters]) waiter.resolve();
  }

  #of(eventId: string): Answers {
    let answers = this.#answers.get(eventId);
    if (!answers) this.#answers.set(eventId, (answers = { taken: new Map(), refused: new Map() }));
    return answers;
  }
}
