import { homeRecordText, isHomeRecordOf, unsignedLastRecord } from '#e2e';
import type { HomeRecord } from '#federation';
import { parseJson } from '#json';

/** A request of the app that ends the account, with the record by which the account's key says so (protocol §2, "Deactivation"). */
export interface EndingRequest {
  readonly body: string;
  /** Undefined where the client does not hold the account key, or the app has not confirmed yet who it is. */
  readonly record: HomeRecord | undefined;
}

/**
 * The record goes along once the person has confirmed the end: any home could end the account with it.
 *
 * @param body of `POST …/account/deactivate`
 * @param current the account's highest record
 * @param sign signs with the account key, as far as it is here
 */
export async function withLastRecord(
  body: string, current: HomeRecord | undefined, sign: (text: string) => string | Promise<string>,
): Promise<EndingRequest> {
  const request = parseJson(body) as { auth?: { type?: unknown }; erase?: unknown };
  if (!current || current.deactivated || request.auth?.type === undefined) return { body, record: undefined };
  const unsigned = unsignedLastRecord(current, request.erase === true);
  const record = { ...unsigned, signature: await sign(homeRecordText(unsigned)) };
  // Another key's signature: the account's is with its server, which signs by itself.
  if (!isHomeRecordOf(current.user_id, record)) return { body, record: undefined };
  return { body: JSON.stringify({ ...request, 'io.partyline.record': record }), record };
}
