import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In } from 'typeorm';
import { MatrixError } from '../../errors/matrix-error.js';
import { Clock } from '../../observability/clock.js';
import { Database } from '../../storage/database.js';
import type { MediaAddress } from '../media-address.js';
import { Media } from '../media.entity.js';
import { QuarantinedMedia } from './quarantined-media.entity.js';

const PAGE = 500;

/** What an administrator has put out of everybody's reach: by its address, and by its content, which other addresses may name, too. */
@Injectable()
export class MediaQuarantine implements OnModuleInit {
  /** All of it: whoever downloads something else asks the database nothing. */
  readonly #keys = new Set<string>();

  constructor(
    private readonly db: Database,
    private readonly clock: Clock,
  ) {}

  async onModuleInit(): Promise<void> {
    for (const { key } of await this.db.repository(QuarantinedMedia).find({ select: { key: true } })) this.#keys.add(key);
  }

  /** @param key an address or a hash @throws MatrixError 404 M_NOT_FOUND for what is in quarantine, as if it were not there */
  assertFree(key: MediaAddress | string): void {
    if (this.#keys.has(typeof key === 'string' ? key : keyOf(key))) throw MatrixError.notFound('There is no such file');
  }

  /** @returns how many of the addresses were not in quarantine before */
  async add(addresses: readonly MediaAddress[], administrator: string): Promise<number> {
    const fresh = addresses.filter((address) => !this.#keys.has(keyOf(address)));
    for (let start = 0; start < fresh.length; start += PAGE) {
      const page = fresh.slice(start, start + PAGE);
      const keys = [...new Set([...page.map(keyOf), ...(await this.#hashes(page))])];
      const row = { quarantinedBy: administrator, quarantinedTs: this.clock.now() };
      await this.db.transaction(async (tx) => {
        await tx.repository(QuarantinedMedia).upsert(keys.map((key) => ({ key, ...row })), ['key']);
        tx.afterCommit(() => keys.forEach((key) => this.#keys.add(key)));
      });
    }
    return fresh.length;
  }

  /** Lets everybody have it again, also by other addresses of the same content. */
  async remove(address: MediaAddress): Promise<void> {
    const keys = [keyOf(address), ...(await this.#hashes([address]))];
    await this.db.transaction(async (tx) => {
      await tx.repository(QuarantinedMedia).delete({ key: In(keys) });
      tx.afterCommit(() => keys.forEach((key) => this.#keys.delete(key)));
    });
  }

  /** Addresses that an account with a home here has uploaded to. */
  async uploadedBy(userId: string): Promise<MediaAddress[]> {
    return this.db.repository(Media).find({ select: { serverName: true, mediaId: true }, where: { userId } });
  }

  async #hashes(addresses: readonly MediaAddress[]): Promise<string[]> {
    const media = await this.db.repository(Media).find({ select: { sha256: true }, where: addresses.map(({ serverName, mediaId }) => ({ serverName, mediaId })) });
    return media.flatMap(({ sha256 }) => sha256 ?? []);
  }
}

function keyOf({ serverName, mediaId }: MediaAddress): string {
  return `${serverName}/${mediaId}`;
}
