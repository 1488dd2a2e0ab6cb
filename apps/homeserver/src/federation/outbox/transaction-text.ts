import { canonicalJson } from '#federation';

/**
 * The body of a transaction (server-server API, §Transactions) as canonical JSON, put together from texts that are canonical
 * already: the events as stored, and EDUs as `canonicalJson({content, edu_type})`.
 *
 * @param now milliseconds since the epoch
 */
export function transactionText(origin: string, now: number, pdus: readonly string[], edus: readonly string[]): string {
  return `{"edus":[${edus.join(',')}],"origin":${canonicalJson(origin)},"origin_server_ts":${now},"pdus":[${pdus.join(',')}]}`;
}
