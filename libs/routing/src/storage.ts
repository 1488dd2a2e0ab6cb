/**
 * Where a client keeps its phonebook and its place in each room: IndexedDB, files, whatever the app has. What `set`
 * has answered must be there after a restart.
 */
export interface RoutingStorage {
  get(key: string): Promise<string | null>;
  /** Null removes the key. */
  set(key: string, value: string | null): Promise<void>;
}
