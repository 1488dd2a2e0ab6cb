import { createHash } from 'node:crypto';
import { mkdir, open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Random } from '../../observability/random.js';
import { isNoRoom, noRoom } from './file-errors.js';

/** The database in the same folder stops at 200 MB: files leave it some. */
const MIN_FREE_BYTES = 300 * 1024 * 1024;
/** Written at once: each write waits for its turn among the work of others. */
const WRITE_BYTES = 512 * 1024;
/** What a type is told by. */
const HEAD_BYTES = 4_100;

/** A complete file that waits for its place. Whoever has it moves or discards it. */
export interface IncomingFile {
  readonly path: string;
  /** URL-safe Base64. */
  readonly sha256: string;
  readonly bytes: number;
  /** Its beginning. */
  readonly head: Buffer;
  /** Deletes it, unless it was moved. */
  discard(): Promise<void>;
}

/** Takes files in, a piece at a time: to the disk, hashed on the way. What a killed process left is deleted at the start. */
@Injectable()
export class IncomingFiles implements OnModuleInit {
  readonly #folder: string;

  constructor(config: Config, private readonly random: Random) {
    this.#folder = join(config.dataDir, 'media', 'incoming');
  }

  async onModuleInit(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { recursive: true });
  }

  /** A path for a file that is about to be made. */
  path(): string {
    return join(this.#folder, this.random.token(16));
  }

  /**
   * @param source is read to its end, or up to the byte that is too many
   * @throws MatrixError 413 `M_TOO_LARGE`, 503 when the disk is full; and what the source throws
   */
  async take(source: AsyncIterable<Buffer>, maxBytes: number): Promise<IncomingFile> {
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize < MIN_FREE_BYTES) throw noRoom();
    const path = this.path();
    const discard = () => rm(path, { force: true });
    const hash = createHash('sha256');
    let bytes = 0;
    let head = Buffer.alloc(0);
    const file = await open(path, 'wx');
    let pieces: Buffer[] = [];
    let held = 0;
    const flush = async (): Promise<void> => {
      const piece = Buffer.concat(pieces);
      [pieces, held] = [[], 0];
      await file.writeFile(piece);
    };
    try {
      for await (const chunk of source) {
        bytes += chunk.length;
        if (bytes > maxBytes) throw MatrixError.tooLarge(`Files of up to ${maxBytes} bytes are taken`);
        if (head.length < HEAD_BYTES) head = Buffer.concat([head, chunk.subarray(0, HEAD_BYTES - head.length)]);
        hash.update(chunk);
        pieces.push(chunk);
        held += chunk.length;
        if (held >= WRITE_BYTES) await flush();
      }
      await flush();
      await file.sync();
    } catch (error) {
      await file.close();
      await discard();
      throw isNoRoom(error) ? noRoom() : error;
    }
    await file.close();
    return { path, sha256: hash.digest('base64url'), bytes, head, discard };
  }
}
