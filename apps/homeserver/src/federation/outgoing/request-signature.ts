import { canonicalJson, type SigningKey } from '#federation';

export interface SignedRequestParts {
  readonly method: string;
  /** Path with query, as sent: `/_matrix/…?…`. */
  readonly uri: string;
  readonly origin: string;
  readonly destination: string;
  /** Canonical JSON of the body; undefined for requests without one. */
  readonly content?: string;
}

/**
 * What the signature of a request covers (server-server API, §Request Authentication): canonical JSON, put together around the
 * body's so that a transaction is not serialized twice.
 */
export function signedRequestText({ method, uri, origin, destination, content }: SignedRequestParts): string {
  const rest = canonicalJson({ destination, method, origin, uri });
  return content === undefined ? rest : `{"content":${content},${rest.slice(1)}`;
}

/** Value of the Authorization header; without spaces after commas and with quotes everywhere, for older servers. */
export function authorizationHeader(parts: SignedRequestParts, key: SigningKey): string {
  const signature = key.sign(signedRequestText(parts));
  return `X-Matrix origin="${parts.origin}",destination="${parts.destination}",key="${key.keyId}",sig="${signature}"`;
}
