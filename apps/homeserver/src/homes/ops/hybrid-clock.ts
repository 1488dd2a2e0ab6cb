const MAX_COUNTER = 99_999_999;

/**
 * A hybrid logical clock: wall time where that moves on, a counter where it does not, and never behind what was seen from
 * others, so that whoever writes after having seen a write wins over it. Readings are texts that compare as times.
 */
export class HybridClock {
  #ms = 0;
  #counter = 0;

  /** @param now milliseconds since the Unix epoch */
  constructor(private readonly now: () => number) {}

  /** A reading later than all before it. */
  tick(): string {
    const ms = this.now();
    if (ms > this.#ms) {
      this.#ms = ms;
      this.#counter = 0;
    } else if (++this.#counter > MAX_COUNTER) {
      this.#ms++;
      this.#counter = 0;
    }
    return formatReading(this.#ms, this.#counter);
  }

  /** Takes note of another clock's reading. */
  observe(reading: string): void {
    const { ms, counter } = parseReading(reading);
    if (ms > this.#ms || (ms === this.#ms && counter > this.#counter)) {
      this.#ms = ms;
      this.#counter = counter;
    }
  }
}

const READING = /^(\d{15})\.(\d{8})$/;

export function isReading(text: string): boolean {
  return READING.test(text);
}

/** @throws Error for a text that is no reading */
export function parseReading(text: string): { ms: number; counter: number } {
  const parts = READING.exec(text);
  if (!parts) throw new Error('not a reading of a hybrid clock');
  return { ms: Number(parts[1]), counter: Number(parts[2]) };
}

function formatReading(ms: number, counter: number): string {
  return `${String(ms).padStart(15, '0')}.${String(counter).padStart(8, '0')}`;
}
