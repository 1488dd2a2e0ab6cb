import { MatrixError } from '../errors/matrix-error.js';

/**
 * JSON text of what a client sent, to be stored.
 *
 * @param maxBytes limit of the text in UTF-8
 * @param what names the value in errors
 * @throws MatrixError 413 M_TOO_LARGE; 400 M_BAD_JSON when it is nested so deeply that it has no text
 */
export function boundedJson(value: unknown, maxBytes: number, what: string): string {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    // The parser takes any depth, JSON.stringify is recursive and runs out of stack.
    throw MatrixError.badJson(`${what} is nested too deeply`);
  }
  if (text.length > maxBytes || Buffer.byteLength(text) > maxBytes) {
    throw MatrixError.tooLarge(`${what} is larger than ${maxBytes} bytes`);
  }
  return text;
}
