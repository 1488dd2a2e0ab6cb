/** What a transaction says of the home records that its sender has (docs/protocol.md §2); the folder of homes, which lies above, answers. */
export abstract class ClaimedVersions {
  /** Takes note of what the origin claims, in whatever shape it came. @returns the versions that are higher here, in the same shape */
  abstract answer(origin: string, claimed: unknown): Promise<Readonly<Record<string, object>>>;
}
