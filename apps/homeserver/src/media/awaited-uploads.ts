import { Injectable } from '@nestjs/common';
import { atMost } from '../observability/at-most.js';
import { Stopping } from '../observability/stopping.js';
import { type MediaAddress, mxcUri } from './media-address.js';

/** Who waits at addresses for what will be uploaded to them. */
@Injectable()
export class AwaitedUploads {
  readonly #waiting = new Map<string, { readonly arrival: Promise<void>; readonly tell: () => void; count: number }>();

  constructor(private readonly stopping: Stopping) {
    stopping.signal.addEventListener('abort', () => {
      for (const { tell } of this.#waiting.values()) tell();
    }, { once: true });
  }

  arrived(address: MediaAddress): void {
    this.#waiting.get(mxcUri(address))?.tell();
  }

  /** Resolves when something was uploaded, after so many milliseconds, or when the server stops: look again. */
  async wait(address: MediaAddress, ms: number): Promise<void> {
    if (this.stopping.signal.aborted) return;
    const key = mxcUri(address);
    let entry = this.#waiting.get(key);
    if (!entry) {
      const { promise, resolve } = Promise.withResolvers<void>();
      entry = { arrival: promise, tell: resolve, count: 0 };
      this.#waiting.set(key, entry);
    }
    entry.count++;
    await atMost(entry.arrival, ms, undefined);
    if (--entry.count === 0) this.#waiting.delete(key);
  }
}
