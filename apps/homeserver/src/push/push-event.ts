/** What push rules look at: the members of the event in its client format. */
export interface PushEvent {
  readonly type: string;
  readonly sender: string;
  readonly room_id: string;
  readonly state_key?: string;
  readonly content: object;
}

/** What push rules have to know besides the event, about the room and the account whose rules they are. */
export interface PushContext {
  /** The account's display name in the room. */
  readonly displayName: string | undefined;
  /** Joined members. */
  readonly memberCount: number;
  /** Power level of the event's sender. */
  readonly senderPower: number;
  /** Power level that is needed to notify in this way, e.g. `room`. */
  readonly notificationPower: (key: string) => number;
}
