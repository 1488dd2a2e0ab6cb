import { MatrixError } from '../../errors/matrix-error.js';

/**
 * A copy of an event about which nothing is kept, as if it had not come: it lacks a good home signature, which is no part of the event's
 * id, or what it refers to is not here. Another copy, or another server, may have it (protocol §3, "Delivery").
 */
export class DroppedEvent extends MatrixError {
  constructor(reason: string) {
    super(403, 'M_FORBIDDEN', reason);
  }
}
