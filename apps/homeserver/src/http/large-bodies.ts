import { LoneSurrogateError, parseJsonOfParts, parseJsonOfPartsInSlices, TooManyValuesError } from '#json';
import { MatrixError } from '../errors/matrix-error.js';

/** Characters of a body beyond which it is parsed in slices. */
export const LARGE_BODY = 256 * 1024;
/** Values of one body: what is made of it takes as much memory as some hundred thousand objects, whatever its length. */
const MAX_VALUES = 1_000_000;

/**
 * The JSON of another server's request, in slices where it is large.
 *
 * @throws MatrixError 400 M_NOT_JSON, M_BAD_JSON for lone surrogates outside of the parts; 413 M_TOO_LARGE for too many values
 */
export async function parseServerBody(text: string): Promise<unknown> {
  try {
    if (text.length <= LARGE_BODY) return parseJsonOfParts(text);
    return await parseJsonOfPartsInSlices(text, { pause: () => new Promise((resolve) => void setImmediate(resolve)), maxValues: MAX_VALUES });
  } catch (error) {
    if (error instanceof TooManyValuesError) throw MatrixError.tooLarge(error.message);
    if (error instanceof LoneSurrogateError) throw MatrixError.badJson('A string holds half of a character');
    if (error instanceof SyntaxError) throw new MatrixError(400, 'M_NOT_JSON', 'The body is not valid JSON');
    throw error;
  }
}
