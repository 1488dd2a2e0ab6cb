import { boundedCache } from '../../storage/bounded-cache.js';

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

const MAX_EVENTS = 5_000;
/** Nobody asks for more replicas than this. */
const MAX_SERVERS = 16;

/** Remembers for a while which servers have taken an own event, and lets senders wait for that. */
export class ReplicaAcknowledgements {
  readonly #servers = boundedCache<string, Set<string>>(MAX_EVENTS);
  readonly #waiters = new Map<string, Set<Waiter>>();

  acknowledge(eventId: string, server: string): void {
    let servers = this.#servers.get(eventId);
    if (!servers) this.#servers.set(eventId, (servers = new Set()));
    if (servers.size >= MAX_SERVERS) return;
    servers.add(server);
    for (const waiter of this.#waiters.get(eventId) ?? []) if (servers.size >= waiter.count) waiter.resolve();
  }

  /** The servers that have acknowledged the event, as soon as there are `count`, or when the time is over. */
  async wait(eventId: string, count: number, timeoutMs: number): Promise<string[]> {
    const known = () => [...(this.#servers.get(eventId) ?? [])];
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
}
