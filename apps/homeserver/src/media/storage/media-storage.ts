import type { Readable } from 'node:stream';

/** Bytes of a file, both ends included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Where files are kept, by key: `files/…` by their hash, `thumbnails/…` made of them. */
export abstract class MediaStorage {
  /** Moves a complete local file to the key; of `files/` it survives a loss of power when this resolves. A file of the key is replaced. */
  abstract put(key: string, path: string): Promise<void>;

  /** Undefined where there is none. */
  abstract open(key: string, range?: ByteRange): Promise<StoredFile | undefined>;

  /** A path on this machine at which the file can be read until `done` is called; undefined where there is none. */
  abstract local(key: string): Promise<{ readonly path: string; done(): Promise<void> } | undefined>;

  /** Deletes all keys that start with the prefix, which ends at a `/` or is a whole key. */
  abstract delete(prefix: string): Promise<void>;
}

export interface StoredFile {
  readonly bytes: number;
  /** Whoever takes it reads or destroys it. */
  readonly stream: Readable;
}

/** Key of a file. Hexadecimal, since not every disk tells upper from lower case. */
export function fileKey(sha256: string): string {
  const hex = Buffer.from(sha256, 'base64url').toString('hex');
  return `files/${hex.slice(0, 2)}/${hex}`;
}

/** Prefix of the thumbnails of a file. */
export function thumbnailsKey(sha256: string): string {
  const hex = Buffer.from(sha256, 'base64url').toString('hex');
  return `thumbnails/${hex.slice(0, 2)}/${hex}/`;
}
