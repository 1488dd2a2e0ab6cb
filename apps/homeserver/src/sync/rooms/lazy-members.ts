import { Injectable } from '@nestjs/common';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Member events that are remembered over all devices and rooms. */
const MAX_ENTRIES = 200_000;

interface Sent {
  readonly nid: number;
  /** Events position of the answer's `next_batch`. */
  readonly pos: number;
}

/**
 * Which member events a device was sent, so that lazy loading does not repeat them. An answer may get lost: an event
 * counts as
 * received only when the client comes back with the token of the answer that held it, or a later one.
 */
@Injectable()
export class LazyMembers {
  readonly #sent = boundedCache<string, Sent>(MAX_ENTRIES);

  has(device: string, roomNid: number, nid: number, key: string, since: number): boolean {
    const sent = this.#sent.get(`${device} ${roomNid} ${key}`);
    return sent !== undefined && sent.nid === nid && sent.pos <= since;
  }

  add(device: string, roomNid: number, nid: number, key: string, pos: number): void {
    const id = `${device} ${roomNid} ${key}`;
    const sent = this.#sent.get(id);
    // The first answer that held it is what counts.
    if (sent?.nid !== nid) this.#sent.set(id, { nid, pos });
  }
}
