import { MAX_WELL_KNOWN_BYTES, type WellKnownResponse } from '#federation';
import type { HttpsTransport } from './https-transport.js';
import { targetOf } from './web-target.js';

const MAX_REDIRECTS = 5;
const TIMEOUT_MS = 10_000;

/**
 * GET `https://<hostname>/.well-known/matrix/server`, following at most five redirects, each of them checked like the first
 * address and none of them to plain HTTP.
 *
 * @throws when there is no answer, or one that is too large
 */
export async function fetchWellKnown(transport: HttpsTransport, hostname: string): Promise<WellKnownResponse> {
  let url = new URL(`https://${hostname}/.well-known/matrix/server`);
  for (let redirects = 0; ; redirects++) {
    const response = await transport.request(targetOf(url), {
      method: 'GET',
      path: url.pathname + url.search,
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_WELL_KNOWN_BYTES,
    });
    const location = response.headers['location'];
    const isRedirect = [301, 302, 303, 307, 308].includes(response.status) && typeof location === 'string';
    if (!isRedirect) return { status: response.status, headers: flat(response.headers), body: response.body.toString('utf8') };
    if (redirects === MAX_REDIRECTS) throw new Error(`${hostname} redirects too often`);
    url = new URL(location, url);
    if (url.protocol !== 'https:') throw new Error(`${hostname} redirects to ${url.protocol}`);
  }
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]));
}
