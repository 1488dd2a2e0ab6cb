import { parseJson } from '#json';
import { readBody } from './read-body.js';

const maxWellKnownBytes = 64 * 1024;

/**
 * Base URL of a server's Client-Server API, by its `/.well-known/matrix/client`, else the server name itself over HTTPS.
 * Source: Client-Server API, "Well-known URI".
 * @returns without a slash at the end
 * @throws whatever `fetch` throws when the server cannot be reached at all
 */
export async function discoverBaseUrl(fetch: typeof globalThis.fetch, serverName: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(`https://${serverName}/.well-known/matrix/client`, { signal });
  if (!response.ok) return `https://${serverName}`;
  const text = new TextDecoder().decode(await readBody(response, () => undefined, maxWellKnownBytes));
  return baseUrlOf(text) ?? `https://${serverName}`;
}

function baseUrlOf(text: string): string | undefined {
  try {
    const url = new URL((parseJson(text) as { 'm.homeserver': { base_url: string } })['m.homeserver'].base_url);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href.replace(/\/+$/, '') : undefined;
  } catch {
    return undefined;
  }
}
