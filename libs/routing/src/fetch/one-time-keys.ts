import { parseJson, parseStoredJson } from '#json';
import type { RoutingStorage } from '../storage.js';

const maxKeys = 2_000;

/**
 * Keeps a one-time key from being uploaded to two homes, both of which would give it out (protocol §4). An upload that got
 * no answer may have arrived; the crypto layer then uploads the same keys again, and by then perhaps elsewhere. Keys in
 * doubt are left out there: at worst they are never used, and the home's count makes the client send fresh ones.
 */
export class OneTimeKeys {
  private inDoubt?: Map<string, string>;

  constructor(private readonly storage: RoutingStorage, private readonly storageKey: string) {}

  /**
   * The body of `POST …/keys/upload` for a home, with its keys noted as in doubt. Storage is written before, so that an app that
   * is killed during the upload knows of it.
   */
  async bodyFor(serverName: string, body: string): Promise<string> {
    const upload = parse(body);
    const keys = upload?.one_time_keys;
    if (!upload || !keys || Object.keys(keys).length === 0) return body;
    const inDoubt = await this.load();
    const fresh = Object.entries(keys).filter(([id]) => (inDoubt.get(id) ?? serverName) === serverName);
    for (const [id] of fresh) inDoubt.set(id, serverName);
    await this.save(inDoubt);
    return JSON.stringify({ ...upload, one_time_keys: Object.fromEntries(fresh) });
  }

  /** The home has answered: it has the keys, or has refused them, and the client knows which. */
  async answered(serverName: string, body: string): Promise<void> {
    const keys = Object.keys(parse(body)?.one_time_keys ?? {});
    if (keys.length === 0) return;
    const inDoubt = await this.load();
    for (const id of keys) if (inDoubt.get(id) === serverName) inDoubt.delete(id);
    await this.save(inDoubt);
  }

  private async load(): Promise<Map<string, string>> {
    if (!this.inDoubt) {
      const stored: unknown = parseStoredJson(await this.storage.get(this.storageKey) ?? '[]');
      this.inDoubt ??= new Map(Array.isArray(stored) ? stored as Array<[string, string]> : []);
    }
    return this.inDoubt;
  }

  private async save(inDoubt: Map<string, string>): Promise<void> {
    for (const id of inDoubt.keys()) {
      if (inDoubt.size <= maxKeys) break;
      inDoubt.delete(id);
    }
    await this.storage.set(this.storageKey, inDoubt.size > 0 ? JSON.stringify([...inDoubt]) : null);
  }
}

function parse(body: string): { one_time_keys?: Record<string, unknown> } | undefined {
  try {
    const value: unknown = parseJson(body);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}
