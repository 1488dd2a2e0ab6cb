import { MatrixError } from '../../errors/matrix-error.js';

const RETRY_AFTER_MS = 60_000;

/** There is no such file. */
export function isNoFile(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | null)?.code === 'ENOENT';
}

/** The disk has no room for more. */
export function isNoRoom(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException | null)?.code ?? '');
}

export function noRoom(): MatrixError {
  return MatrixError.unavailable('The disk of this server has no room for files; its operator has to make some', RETRY_AFTER_MS);
}
