import { Injectable } from '@nestjs/common';
import { Log } from '../observability/log.js';
import { Bus, type BusMessage } from './bus.js';

/** The bus of a server that is one process: a direct call. */
@Injectable()
export class InProcessBus extends Bus {
  readonly #listeners = new Set<(message: BusMessage) => void>();

  constructor(private readonly log: Log) {
    super();
  }

  override publish(message: BusMessage): void {
    for (const listener of this.#listeners) {
      try {
        listener(message);
      } catch (error) {
        this.log.error('bus listener failed', error, { kind: message.kind });
      }
    }
  }

  override subscribe(listener: (message: BusMessage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
