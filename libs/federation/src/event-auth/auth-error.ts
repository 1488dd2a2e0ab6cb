/** An event that an authorization rule refuses. */
export class AuthError extends Error {
  override readonly name: string = 'AuthError';

  /**
   * @param rule number of the rule in the specification of the room version, e.g. `5.3.1`; `p1` to `p6` are the rules
   *   of portable rooms (protocol §3)
   */
  constructor(readonly rule: string, message: string) {
    super(`${message} (rule ${rule})`);
  }
}

/** The content says what it cannot say in such a room, whoever sends it. */
export class MalformedContentError extends AuthError {
  override readonly name = 'MalformedContentError';
}

/**
 * Portable rooms: this copy of an event lacks a good signature of the home that acts. Signatures are no part of an event's id, so
 * another copy may have it: nothing may be kept about the event (protocol §3, "Delivery").
 */
export class UnsignedError extends AuthError {
  override readonly name = 'UnsignedError';
}
