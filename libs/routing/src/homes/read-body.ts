/** More than any sane initial sync; a home must not be able to fill the client's memory. */
export const maxBodyBytes = 256 * 1024 * 1024;

/**
 * Reads a body whole.
 * @param progress called with each chunk, to restart the timer of silence
 * @throws Error when it is larger than `limit` bytes, and whatever the stream throws
 */
export async function readBody(response: Response, progress: () => void, limit = maxBodyBytes): Promise<Uint8Array<ArrayBuffer>> {
  const reader = response.body?.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    progress();
    length += part.value.length;
    if (length > limit) {
      await reader?.cancel();
      throw new Error(`the answer is larger than ${limit} bytes`);
    }
    chunks.push(part.value);
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    body.set(chunk, offset);
    offset += chunk.length;
  }
  return body;
}
