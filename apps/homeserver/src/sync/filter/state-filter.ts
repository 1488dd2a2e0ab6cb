/** Which state events of rooms are wanted. */
export interface StateFilter {
  /** True when every state event of every room passes. */
  readonly passesAll: boolean;
  /** Whose member events are wanted where a room's whole state is; with lazy loading, besides those that the timeline needs. */
  readonly members: 'all' | 'none' | ReadonlySet<string>;
  /** Whether members who came and went are told where the timeline leaves out events, with lazy loading. */
  readonly missedMembers: boolean;
  blocksRoom(roomId: string): boolean;
  /** @param key `stateKeyOf` the event */
  passesKey(key: string): boolean;
}
