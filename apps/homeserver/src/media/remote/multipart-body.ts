import { Readable } from 'node:stream';

/** An answer of `/_matrix/federation/v1/media/*`: an empty JSON object, then the file, read as it is sent. */
export function multipartBody(file: { readonly stream: Readable; readonly bytes: number }, headers: Readonly<Record<string, string>>, boundary: string): { readonly stream: Readable; readonly bytes: number } {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const before = Buffer.from(`--${boundary}\r\nContent-Type: application/json\r\n\r\n{}\r\n--${boundary}\r\n${lines}\r\n`);
  const after = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* parts(): AsyncGenerator<Buffer> {
    yield before;
    yield* file.stream;
    yield after;
  }
  return { stream: Readable.from(parts(), { objectMode: false, highWaterMark: 256 * 1024 }), bytes: before.length + file.bytes + after.length };
}
