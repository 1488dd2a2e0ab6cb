/** What a window of load came to. */
export interface LoadResult {
  operations: number;
  elapsedMs: number;
  /** One entry per operation, in milliseconds. */
  latencies: number[];
}

/** How long a window lasts: until a time has passed, or until a number of operations is done. */
export type LoadLimit = { durationMs: number } | { operations: number };

/**
 * Runs `clients` loops side by side, each waiting for its answer before it asks again (a closed loop: a slow server is
 * asked less often, so the figure is a throughput at this concurrency, not at a given rate).
 * @param operation gets the client's number and the operation's number over all clients
 * @throws the first error of any loop, after all loops have ended
 */
export async function runLoad(
  clients: number,
  limit: LoadLimit,
  operation: (client: number, sequence: number) => Promise<unknown>,
): Promise<LoadResult> {
  const latencies: number[] = [];
  const started = performance.now();
  const deadline = 'durationMs' in limit ? started + limit.durationMs : Number.POSITIVE_INFINITY;
  const total = 'operations' in limit ? limit.operations : Number.POSITIVE_INFINITY;
  let next = 0;
  let failed = false;
  const loop = async (client: number): Promise<void> => {
    while (!failed && next < total) {
      const begin = performance.now();
      if (begin >= deadline) return;
      const sequence = next;
      next += 1;
      try {
        await operation(client, sequence);
      } catch (error) {
        failed = true;
        throw error;
      }
      latencies.push(performance.now() - begin);
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: clients }, (_, client) => loop(client)));
  const broken = outcomes.find((outcome) => outcome.status === 'rejected');
  if (broken) throw broken.reason;
  return { operations: latencies.length, elapsedMs: performance.now() - started, latencies };
}

/** Operations per second of a window. */
export function perSecond(result: LoadResult): number {
  return (result.operations * 1000) / result.elapsedMs;
}
