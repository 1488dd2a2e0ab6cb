/** Where an alias of this server leads; implemented by the room directory, which lies above this folder. */
export abstract class RoomAliasLookup {
  /**
   * @param alias a well-formed alias of this server's domain
   * @returns the room and servers through which it can be joined; undefined when there is no such alias
   */
  abstract find(alias: string): Promise<{ roomId: string; servers: readonly string[] } | undefined>;
}
