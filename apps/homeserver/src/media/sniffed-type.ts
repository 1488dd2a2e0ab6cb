/** Media type of the first bytes of a file, where they show one; else null. The library is brought in with the first file. */
export async function sniffedType(head: Uint8Array): Promise<string | null> {
  const { fileTypeFromBuffer } = await import('file-type');
  try {
    return (await fileTypeFromBuffer(head))?.mime ?? null;
  } catch {
    // A file that ends before what its beginning promises.
    return null;
  }
}
