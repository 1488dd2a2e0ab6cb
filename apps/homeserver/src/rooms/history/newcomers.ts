import { Injectable } from '@nestjs/common';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** How long the event by which a server enters may take to arrive here. */
const WELCOME_MS = 10 * 60_000;

/** Servers that have proven to be homes of a member, and enter the room by an event that may not have arrived here yet. */
@Injectable()
export class Newcomers {
  readonly #until = boundedCache<string, number>(10_000);

  constructor(private readonly clock: Clock) {}

  add(roomId: string, server: string): void {
    this.#until.set(`${roomId} ${server}`, this.clock.now() + WELCOME_MS);
  }

  has(roomId: string, server: string): boolean {
    return (this.#until.get(`${roomId} ${server}`) ?? 0) > this.clock.now();
  }
}
