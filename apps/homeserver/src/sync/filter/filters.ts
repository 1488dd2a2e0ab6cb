import { Injectable, type OnModuleInit } from '@nestjs/common';
import { canonicalJson, CanonicalJsonError, sha256, urlSafeUnpaddedBase64 } from '#federation';
import { parseJson, parseStoredJson } from '#json';
import { AccountOps } from '../../accounts/account-ops.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { validate } from '../../http/validate.js';
import { Database } from '../../storage/database.js';
import { CompiledFilter } from './compiled-filter.js';
import { FiltersStore } from './filters.store.js';
import { syncFilterSchema, type SyncFilter } from './sync-filter.js';
import { boundedCache } from '../../storage/bounded-cache.js';

/** Bytes of a filter, and filters of one account. */
const MAX_BYTES = 64 * 1024;
const MAX_FILTERS = 1_000;

/** Filters that accounts defined, and those that are written into requests. */
@Injectable()
export class Filters implements OnModuleInit {
  /** By account and id, and by text. */
  readonly #compiled = boundedCache<string, CompiledFilter>(2_000);
  readonly #all = new CompiledFilter({});

  constructor(
    private readonly db: Database,
    private readonly store: FiltersStore,
    private readonly ops: AccountOps,
  ) {}

  onModuleInit(): void {
    this.ops.register('filter', {
      merge: 'last-writer',
      apply: async ({ userId, key, value }) => {
        if (value !== null) await this.db.transaction((tx) => this.store.insert(tx, userId, key, canonicalJson(value)));
      },
      snapshot: async (userId) =>
        (await this.store.all(userId)).map((row) => ({ kind: 'filter', key: row.filter_id, value: parseStoredJson(row.json) })),
    });
  }

  /**
   * Stores a filter; the same one gets the same id, at every home.
   *
   * @throws MatrixError 413 M_TOO_LARGE, 400 M_BAD_JSON, or 429 with too many filters
   */
  async define(userId: string, filter: SyncFilter): Promise<string> {
    const json = canonicalText(filter);
    const filterId = urlSafeUnpaddedBase64(sha256(json)).slice(0, 16);
    if ((await this.store.find(userId, filterId)) !== undefined) return filterId;
    if ((await this.store.count(userId)) >= MAX_FILTERS) {
      throw new MatrixError(400, 'M_RESOURCE_LIMIT_EXCEEDED', `An account holds at most ${MAX_FILTERS} filters`);
    }
    await this.db.transaction(async (tx) => {
      if (!(await this.store.insert(tx, userId, filterId, json))) return;
      await this.ops.record(tx, userId, [{ kind: 'filter', key: filterId, value: filter }]);
    });
    return filterId;
  }

  /**
   * The filter's JSON text.
   *
   * @throws MatrixError 404 M_NOT_FOUND
   */
  async json(userId: string, filterId: string): Promise<string> {
    const json = await this.store.find(userId, filterId);
    if (json === undefined) throw MatrixError.notFound('No such filter');
    return json;
  }

  /** Whether `resolve` needs to look at nothing but memory. */
  isHeld(userId: string, parameter: string | undefined): boolean {
    return parameter === undefined || parameter === '' || this.#compiled.has(cacheKeyOf(userId, parameter));
  }

  /**
   * The filter that a `filter` parameter means: an id, JSON text, or nothing.
   *
   * @throws MatrixError 400 M_INVALID_PARAM
   */
  async resolve(userId: string, parameter: string | undefined): Promise<CompiledFilter> {
    if (parameter === undefined || parameter === '') return this.#all;
    const cacheKey = cacheKeyOf(userId, parameter);
    const held = this.#compiled.get(cacheKey);
    if (held) return held;
    const text = isInline(parameter) ? parameter : await this.store.find(userId, parameter);
    if (text === undefined) throw MatrixError.invalidParam('No such filter');
    let value: unknown;
    try {
      value = parseJson(text);
    } catch {
      throw MatrixError.invalidParam('The filter is not valid JSON');
    }
    const filter = new CompiledFilter(validate(syncFilterSchema, value, 'M_INVALID_PARAM'));
    this.#compiled.set(cacheKey, filter);
    return filter;
  }
}

function cacheKeyOf(userId: string, parameter: string): string {
  return isInline(parameter) ? parameter : `${userId} ${parameter}`;
}

function isInline(parameter: string): boolean {
  return parameter.startsWith('{');
}

function canonicalText(filter: SyncFilter): string {
  let json: string;
  try {
    json = canonicalJson(filter);
  } catch (error) {
    if (error instanceof CanonicalJsonError) throw MatrixError.badJson(`The filter cannot be stored: ${error.message}`);
    throw error;
  }
  if (Buffer.byteLength(json) > MAX_BYTES) throw MatrixError.tooLarge(`A filter has at most ${MAX_BYTES} bytes`);
  return json;
}
