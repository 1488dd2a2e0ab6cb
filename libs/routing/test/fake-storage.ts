import type { RoutingStorage } from '../src/storage.js';

export class FakeStorage implements RoutingStorage {
  readonly entries = new Map<string, string>();

  async get(key: string): Promise<string | null> {
    return this.entries.get(key) ?? null;
  }

  async set(key: string, value: string | null): Promise<void> {
    if (value === null) this.entries.delete(key);
    else this.entries.set(key, value);
  }
}
