import { mkdir, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isNoFile } from './file-errors.js';
import { type ByteRange, MediaStorage, type StoredFile } from './media-storage.js';

/** Read at once: each read waits for its turn among the work of others. */
const READ_BYTES = 512 * 1024;

/** Files in the data folder. */
export class DiskStorage extends MediaStorage {
  readonly #folders = new Set<string>();

  constructor(private readonly folder: string) {
    super();
  }

  override async put(key: string, path: string): Promise<void> {
    const target = join(this.folder, key);
    const parent = dirname(target);
    const isKept = key.startsWith('files/');
    if (!this.#folders.has(parent)) {
      // From the first one that was made, each is an entry of the one above.
      const first = await mkdir(parent, { recursive: true });
      if (first !== undefined && isKept) for (let made = parent; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
      if (isKept) this.#folders.add(parent);
    }
    await rename(path, target);
    if (isKept) await syncFolder(parent);
  }

  override async open(key: string, range?: ByteRange): Promise<StoredFile | undefined> {
    const file = await openOrNone(join(this.folder, key));
    if (!file) return undefined;
    const { size } = await file.stat();
    return { bytes: size, stream: file.createReadStream({ ...range, highWaterMark: READ_BYTES }) };
  }

  override async local(key: string): Promise<{ path: string; done(): Promise<void> } | undefined> {
    const path = join(this.folder, key);
    const file = await openOrNone(path);
    await file?.close();
    return file && { path, done: () => Promise.resolve() };
  }

  override async delete(prefix: string): Promise<void> {
    await rm(join(this.folder, prefix), { recursive: true, force: true });
  }
}

async function openOrNone(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isNoFile(error)) return undefined;
    throw error;
  }
}

/** A rename is on the disk once its folder is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
