import { DelimitedBytes } from './delimited-bytes.js';

const MAX_HEADER_BYTES = 16 * 1024;
const MAX_JSON_BYTES = 64 * 1024;
const LINE_END = Buffer.from('\r\n');

/** The second part of an answer: the file, or where it is. */
export interface MediaPart {
  readonly contentType: string | null;
  readonly disposition: string | null;
  readonly location: string | null;
  readonly body: AsyncIterable<Buffer>;
}

/** The boundary of a `multipart/mixed` answer; undefined for others. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  const [, quoted, bare] = /^multipart\/mixed\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;"]{1,200}))/i.exec(contentType ?? '') ?? [];
  return quoted ?? bare;
}

/**
 * Reads an answer of `/_matrix/federation/v1/media/*` (RFC 2046, §5.1): a part of JSON, which says nothing yet, and the media. Both are
 * read as they come; nothing is held.
 *
 * @param take reads the body of the second part to its end, or throws
 * @throws Error for an answer of another form, or one that ends early
 */
export async function readMediaParts(source: AsyncIterable<Buffer>, boundary: string, take: (part: MediaPart) => Promise<void>): Promise<void> {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter may have no line before it.
  const bytes = new DelimitedBytes(source, LINE_END);
  await bytes.take(delimiter, MAX_JSON_BYTES);
  await headersOf(bytes);
  await bytes.take(delimiter, MAX_JSON_BYTES);
  const headers = await headersOf(bytes);
  await take({
    contentType: headers.get('content-type') ?? null,
    disposition: headers.get('content-disposition') ?? null,
    location: headers.get('location') ?? null,
    body: bytes.until(delimiter),
  });
}

async function headersOf(bytes: DelimitedBytes): Promise<Map<string, string>> {
  const headers = new Map<string, string>();
  let left = MAX_HEADER_BYTES;
  const line = async (): Promise<string> => {
    const text = (await bytes.take(LINE_END, left)).toString('latin1');
    left -= text.length;
    return text;
  };
  // What is left of the line of the delimiter; after the last part it begins with two hyphens.
  if ((await line()).startsWith('--')) throw new Error('the answer has no media in it');
  for (let text = await line(); text !== ''; text = await line()) {
    const colon = text.indexOf(':');
    if (colon > 0) headers.set(text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim());
  }
  return headers;
}
