/** Whose connection it is, and which one. */
export interface ConnectionKey {
  readonly userId: string;
  readonly deviceId: string;
  readonly connId: string;
}
