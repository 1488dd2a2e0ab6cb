/** A repeated signal within this time is the same Ctrl-C, which reached this process in two ways (terminal and launcher). */
const SAME_MS = 1_500;

/**
 * Resolves when the process is asked to end: by a signal, or by the death of the launcher that started it. Asked a second
 * time, the process ends at once.
 */
export function stopSignal(now: () => number): Promise<string> {
  return new Promise((resolve) => {
    let first: number | null = null;
    const ask = (reason: string): void => {
      if (first === null) {
        first = now();
        resolve(reason);
      } else if (now() - first > SAME_MS) {
        process.exit(130);
      }
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => ask(signal));
    process.once('disconnect', () => ask('the launcher ended'));
  });
}
