import { parse } from 'content-disposition';
import { MatrixError } from '../../errors/matrix-error.js';
import type { MediaLabels } from '../media-content.js';
import { storableType } from '../served-type.js';
import type { IncomingFile, IncomingFiles } from '../storage/incoming-files.js';

const MAX_NAME = 255;

/** A file that another server gave, with what it says of it. */
export interface ReceivedFile extends MediaLabels {
  readonly file: IncomingFile;
}

/** @throws MatrixError 502 M_TOO_LARGE, 503 when the disk is full; errors of the sender as they are */
export async function receiveFile(
  incoming: IncomingFiles, maxBytes: number, { contentType, disposition, body }: { contentType: string | null; disposition: string | null; body: AsyncIterable<Buffer> },
): Promise<ReceivedFile> {
  const file = await incoming.take(body, maxBytes).catch((error: unknown) => {
    if (error instanceof MatrixError && error.errcode === 'M_TOO_LARGE') throw new MatrixError(502, 'M_TOO_LARGE', 'The file is too large for this server');
    throw error;
  });
  return { file, contentType: storableType(contentType), filename: filenameOf(disposition) };
}

/** The name in a header Content-Disposition; null where there is none, or none that can be stored. */
export function filenameOf(disposition: string | null): string | null {
  if (disposition === null || disposition.length > 4_096) return null;
  try {
    return storableName(parse(disposition).parameters['filename']);
  } catch {
    return null;
  }
}

/** The name of a file without what no header and no database takes; null where nothing is left. */
export function storableName(name: string | undefined): string | null {
  const clean = name?.toWellFormed().replace(/\p{Cc}/gu, '').slice(0, MAX_NAME).toWellFormed() ?? '';
  return clean === '' ? null : clean;
}
