import { Readable } from 'node:stream';
import fc from 'fast-check';
import { boundaryOf, type MediaPart, readMediaParts } from './media-parts.js';
import { multipartBody } from './multipart-body.js';

/** The same bytes in other pieces. */
async function* cut(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes.length === 0 ? bytes.length : sizes[i % sizes.length]!;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(source: AsyncIterable<Buffer>, boundary: string): Promise<{ part: MediaPart; bytes: Buffer }> {
  let found: { part: MediaPart; bytes: Buffer } | undefined;
  await readMediaParts(source, boundary, async (part) => {
    const pieces: Buffer[] = [];
    for await (const piece of part.body) pieces.push(piece);
    found = { part, bytes: Buffer.concat(pieces) };
  });
  return found!;
}

const sent = async (bytes: Buffer, headers: Record<string, string>, boundary: string): Promise<Buffer> => {
  const body = multipartBody({ stream: Readable.from([bytes]), bytes: bytes.length }, headers, boundary);
  const pieces: Buffer[] = [];
  for await (const piece of body.stream) pieces.push(piece as Buffer);
  expect(Buffer.concat(pieces)).toHaveLength(body.bytes);
  return Buffer.concat(pieces);
};

it('reads what is sent, in whatever pieces it comes, also where the file looks like a boundary', async () => {
  // Of few letters, so that much of the mark is in the file.
  const file = fc.array(fc.constantFrom('\r', '\n', '-', 'b', 'c', '\0'), { minLength: 1, maxLength: 200 }).map((letters) => Buffer.from(letters.join('')));
  await fc.assert(fc.asyncProperty(file, fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 }), async (bytes, sizes) => {
    fc.pre(!bytes.includes('\r\n--bcb'));
    const { part, bytes: got } = await read(cut(await sent(bytes, { 'content-type': 'image/png' }, 'bcb'), sizes), 'bcb');
    expect(got.equals(bytes)).toBe(true);
    expect(part).toMatchObject({ contentType: 'image/png', disposition: null, location: null });
  }), { numRuns: 200 });
});

it('fails wherever an answer is cut off', async () => {
  const whole = await sent(Buffer.from('a file'), { 'content-type': 'image/png' }, 'xyz');
  const end = whole.indexOf('a file') + 'a file\r\n--xyz'.length;
  for (let length = 0; length < end; length++) await expect(read(cut(whole.subarray(0, length), []), 'xyz')).rejects.toThrow();
  expect((await read(cut(whole.subarray(0, end), []), 'xyz')).bytes.toString()).toBe('a file');
});

it('holds no headers without end', async () => {
  async function* endless(): AsyncGenerator<Buffer> {
    yield Buffer.from('--xyz\r\n');
    for (;;) yield Buffer.alloc(1_000, 'a');
  }
  await expect(read(endless(), 'xyz')).rejects.toThrow('too long');
});

it.each([
  ['multipart/mixed; boundary=abc', 'abc'], ['multipart/mixed;charset=x; boundary="a b"', 'a b'], ['Multipart/Mixed; Boundary=abc; x=y', 'abc'],
  ['multipart/form-data; boundary=abc', undefined], ['multipart/mixed', undefined], [undefined, undefined],
])('finds the boundary in %s', (header, boundary) => {
  expect(boundaryOf(header)).toBe(boundary);
});
