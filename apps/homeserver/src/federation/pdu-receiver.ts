/**
 * What became of one event. An event that the auth rules reject was handled, which is what a missing `error` means to other
 * servers; that it does not count as taken is for servers like this one. All but `error` is told beside the results, which hold
 * nothing that others do not expect.
 */
export interface PduResult {
  readonly error?: string;
  /** The event is held, accepted and shown. */
  readonly taken?: true;
  /** The event that is shown in its place (protocol §3 rule 6). */
  readonly twin?: string;
  /** Why the event is not shown although it is held: soft-failed. */
  readonly softFailed?: string;
  readonly rejected?: string;
  /** Told beside the results: the error is of the moment, and the event welcome again. */
  readonly later?: boolean;
}

/** Outcome per event id, as `PUT /send` answers it. */
export type PduResults = Record<string, PduResult>;

/** Takes the events of other servers' transactions; implemented by the rooms, which lie above this folder. */
export abstract class PduReceiver {
  /**
   * Never rejects because of what is in a PDU: a bad one gets an `error` in the result.
   *
   * @param origin the server that sent the transaction
   * @param pdus at most 50 parsed JSON values, unchecked
   * @throws MatrixError 429 `M_LIMIT_EXCEEDED` when a room is too long on its way here; the same is to be sent again
   */
  abstract receive(origin: string, pdus: readonly unknown[]): Promise<PduResults>;
}
