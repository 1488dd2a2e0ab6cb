import { txnId } from '#e2e';
import { parseStoredJson } from '#json';
import type { RoutingStorage } from '../storage.js';

const mark = 'pl-';
const maxFilters = 50;

interface Filter {
  appId: string;
  json: string;
  /** The filter's id at each home. */
  ids: Record<string, string>;
}

/** Uploads a filter at a home and returns its id there. */
export type UploadFilter = (serverName: string, json: string) => Promise<string>;

/**
 * Filter ids that hold at every home: each home numbers filters for itself, so the app gets an id of our own, and the
 * filter is uploaded where it is needed.
 */
export class FilterIds {
  private filters?: Filter[];

  constructor(private readonly storage: RoutingStorage, private readonly storageKey: string) {}

  /** Notes a filter that the app has uploaded at a home. Returns the id for the app; the same filter has the same one. */
  async add(json: string, serverName: string, id: string): Promise<string> {
    const filters = await this.load();
    // Any one-way function will do: the id has to depend on the filter alone.
    const appId = mark + txnId(new Uint8Array(32), 'FILTER', '', json);
    const filter = filters.find((entry) => entry.appId === appId) ?? { appId, json, ids: {} };
    filter.ids[serverName] = id;
    // The newest at the end.
    this.filters = [...filters.filter((entry) => entry !== filter), filter].slice(-maxFilters);
    await this.save();
    return appId;
  }

  /**
   * The home's own id of a filter.
   * @param appId as the app sends it; one that is not ours is returned unchanged
   */
  async idAt(serverName: string, appId: string, upload: UploadFilter): Promise<string> {
    if (!appId.startsWith(mark)) return appId;
    const filter = (await this.load()).find((entry) => entry.appId === appId);
    if (!filter) return appId;
    const known = filter.ids[serverName];
    if (known !== undefined) return known;
    const id = await upload(serverName, filter.json);
    filter.ids[serverName] = id;
    await this.save();
    return id;
  }

  private async load(): Promise<Filter[]> {
    if (!this.filters) {
      const stored: unknown = parseStoredJson(await this.storage.get(this.storageKey) ?? '[]');
      this.filters ??= Array.isArray(stored) ? stored as Filter[] : [];
    }
    return this.filters;
  }

  private save(): Promise<void> {
    return this.storage.set(this.storageKey, JSON.stringify(this.filters ?? []));
  }
}
