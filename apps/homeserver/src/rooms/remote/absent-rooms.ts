import { Injectable } from '@nestjs/common';

type Listener = (origin: string, roomId: string, pdus: readonly unknown[]) => void;

/** Tells of events of rooms that this server does not take part in: another home of a local account may have joined one. */
@Injectable()
export class AbsentRooms {
  readonly #listeners = new Set<Listener>();

  tell(origin: string, roomId: string, pdus: readonly unknown[]): void {
    for (const listener of this.#listeners) listener(origin, roomId, pdus);
  }

  /** @param listener gets unchecked PDUs; must not throw */
  onEvents(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
