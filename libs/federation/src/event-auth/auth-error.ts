/** An event that an authorization rule refuses. */
export class AuthError extends Error {
  override readonly name = 'AuthError';

  /**
   * @param rule number of the rule in the specification of the room version, e.g. `5.3.1`; `p1` to `p6` are the rules
   *   of portable rooms (protocol §3)
   */
  constructor(readonly rule: string, message: string) {
    super(`${message} (rule ${rule})`);
  }
}
