/** Outcome per event id, as `PUT /send` answers it. */
export type PduResults = Record<string, { error?: string }>;

/** Takes the events of other servers' transactions; implemented by the rooms, which lie above this folder. */
export abstract class PduReceiver {
  /**
   * Never rejects because of what is in a PDU: a bad one gets an `error` in the result.
   *
   * @param origin the server that sent the transaction
   * @param pdus at most 50 parsed JSON values, unchecked
   */
  abstract receive(origin: string, pdus: readonly unknown[]): Promise<PduResults>;
}
