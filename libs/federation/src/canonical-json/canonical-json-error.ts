/** The value has no canonical JSON: a float, an unsafe integer, a lone surrogate, too deep, or not JSON at all. */
export class CanonicalJsonError extends Error {
  override readonly name = 'CanonicalJsonError';
}
