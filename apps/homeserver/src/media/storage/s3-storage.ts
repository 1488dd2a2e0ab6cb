import { createReadStream, createWriteStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { OnApplicationShutdown } from '@nestjs/common';
import type { S3Client } from '@aws-sdk/client-s3';
import type { BucketPlace } from '../../config/media-place.js';
import { MatrixError } from '../../errors/matrix-error.js';
import type { Log } from '../../observability/log.js';
import { type ByteRange, MediaStorage, type StoredFile } from './media-storage.js';

/** Nothing from the store for so long: it is gone. */
const SILENCE_MS = 30_000;
const TRIES = 3;
const RETRY_AFTER_MS = 5_000;

type Sdk = typeof import('@aws-sdk/client-s3');

/** Files in a bucket of S3, or of what speaks like it. The library is brought in with the first file; it looks for keys as all of Amazon's tools do. */
export class S3Storage extends MediaStorage implements OnApplicationShutdown {
  #ready: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;

  /** @param temporaryPath a fresh path on this machine */
  constructor(
    private readonly place: BucketPlace,
    private readonly temporaryPath: () => string,
    private readonly log: Log,
  ) {
    super();
  }

  override async put(key: string, path: string): Promise<void> {
    const { size } = await stat(path);
    await this.#ask(({ sdk, client }) => client.send(new sdk.PutObjectCommand({ ...this.#object(key), Body: createReadStream(path), ContentLength: size })));
    await rm(path, { force: true });
  }

  override async open(key: string, range?: ByteRange): Promise<StoredFile | undefined> {
    return this.#ask(async ({ sdk, client }) => {
      try {
        const answer = await client.send(new sdk.GetObjectCommand({ ...this.#object(key), ...(range && { Range: `bytes=${range.start}-${range.end}` }) }));
        return { bytes: answer.ContentLength!, stream: answer.Body as Readable };
      } catch (error) {
        if (error instanceof sdk.NoSuchKey) return undefined;
        throw error;
      }
    });
  }

  override async local(key: string): Promise<{ path: string; done(): Promise<void> } | undefined> {
    const file = await this.open(key);
    if (!file) return undefined;
    const path = this.temporaryPath();
    const done = () => rm(path, { force: true });
    try {
      await pipeline(file.stream, createWriteStream(path, { flags: 'wx' }));
    } catch (error) {
      await done();
      throw error;
    }
    return { path, done };
  }

  override async delete(prefix: string): Promise<void> {
    const { Bucket, Key } = this.#object(prefix);
    await this.#ask(async ({ sdk, client }) => {
      const { Contents: found = [] } = prefix.endsWith('/') ? await client.send(new sdk.ListObjectsV2Command({ Bucket, Prefix: Key })) : { Contents: [{ Key }] };
      for (const { Key: one } of found) await client.send(new sdk.DeleteObjectCommand({ Bucket, Key: one! }));
    });
  }

  /** Ends all connections. */
  async onApplicationShutdown(): Promise<void> {
    const ready = await this.#ready?.catch(() => undefined);
    ready?.client.destroy();
  }

  /** @throws MatrixError 503 when the store does not do it */
  async #ask<T>(work: (s3: { readonly sdk: Sdk; readonly client: S3Client }) => Promise<T>): Promise<T> {
    try {
      return await work(await this.#s3());
    } catch (error) {
      this.log.error('the store of files failed', error, { bucket: this.place.bucket });
      throw MatrixError.unavailable('The store of files does not answer', RETRY_AFTER_MS);
    }
  }

  #object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.place.bucket, Key: this.place.prefix + key };
  }

  #s3(): Promise<{ readonly sdk: Sdk; readonly client: S3Client }> {
    this.#ready ??= import('@aws-sdk/client-s3').then((sdk) => {
      const { endpoint, region } = this.place;
      const client = new sdk.S3Client({
        region, maxAttempts: TRIES, requestHandler: { requestTimeout: SILENCE_MS, connectionTimeout: SILENCE_MS },
        // Such stores know Amazon's newest checksums seldom, and what is stored here is named by its hash.
        requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED',
        ...(endpoint !== null && { endpoint, forcePathStyle: true }),
      });
      return { sdk, client };
    });
    return this.#ready;
  }
}
