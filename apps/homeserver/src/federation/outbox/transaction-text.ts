import { canonicalJson } from '#federation';

/**
 * The body of a transaction (server-server API, §Transactions) as canonical JSON, put together from texts that are canonical
 * already: the events as stored, and EDUs as `canonicalJson({content, edu_type})`.
 *
 * @param now milliseconds since the epoch
 * @param members further ones, canonical JSON by name
 */
export function transactionText(origin: string, now: number, pdus: readonly string[], edus: readonly string[], members: Readonly<Record<string, string>> = {}): string {
  // Their names begin with io., which is between the two.
  const between = Object.keys(members).sort().map((name) => `${canonicalJson(name)}:${members[name]},`).join('');
  return `{"edus":[${edus.join(',')}],${between}"origin":${canonicalJson(origin)},"origin_server_ts":${now},"pdus":[${pdus.join(',')}]}`;
}
