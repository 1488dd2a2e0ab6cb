import { Injectable } from '@nestjs/common';
import { isLogOf, keyOfLog, LOG_PREFIX_CHARACTERS, operationInput, verifySignatureAsync, type AccountOperation, type HomeRecord } from '#federation';
import type { StoredLine } from './account-logs.store.js';
import { LogSizes } from './log-sizes.js';

/** `[log, n, why]`: an operation that was not taken. */
export type Refusal = readonly [log: string, n: number, why: string];

/** Places that operations name, of those that are judged at once: each is looked up. */
const MAX_PLACES = 20_000;

/** Public keys of logs, as signed heads showed them. */
export type LogKeys = ReadonlyMap<string, string>;

/** Operations that somebody brings, before what they continue is looked at: how much of them at once, and whose they are. */
@Injectable()
export class BroughtOperations {
  constructor(private readonly sizes: LogSizes) {}

  /** Those that can be looked at now: the beginning, without logs of keys of which too much is held. */
  async fitting(userId: string, given: readonly AccountOperation[], maxPlaces = MAX_PLACES): Promise<{ fitting: AccountOperation[]; refused: Refusal[] }> {
    const refused: Refusal[] = [];
    const fitting: AccountOperation[] = [];
    for (const ops of Map.groupBy(fittingPlaces(given, maxPlaces), ({ log }) => log.slice(0, LOG_PREFIX_CHARACTERS)).values()) {
      if (await this.sizes.admits(userId, ops)) fitting.push(...ops);
      else refused.push(...ops.map(({ log, n }): Refusal => [log, n, 'too much']));
    }
    return { fitting: refused.length === 0 ? [...given].slice(0, fitting.length) : given.filter((op) => fitting.includes(op)), refused };
  }

  /** Those whose signature is by the key of their log. */
  async verified(
    record: HomeRecord, list: readonly AccountOperation[], keys: LogKeys, lines: readonly StoredLine[],
  ): Promise<{ good: AccountOperation[]; why: Refusal[] }> {
    const reasons = await Promise.all(list.map(async (op) => {
      const key = keyFor(record, op.log, keys, lines);
      if (key === undefined) return 'no key';
      return (await verifySignatureAsync(key, operationInput(op), op.signature)) ? null : 'signature';
    }));
    const why = list.flatMap((op, i): Refusal[] => (reasons[i] === null ? [] : [[op.log, op.n, reasons[i]!]]));
    return { good: list.filter((_op, i) => reasons[i] === null), why };
  }
}

/** The public key of a log: by the record, by what is stored of it, or as a signed head showed it; undefined when nobody has. */
export function keyFor(record: HomeRecord, log: string, keys: LogKeys, lines: readonly StoredLine[]): string | undefined {
  const shown = keys.get(log);
  return keyOfLog(record, log) ?? lines.find((line) => line.log === log)?.key ?? (shown !== undefined && isLogOf(log, record.user_id, shown) ? shown : undefined);
}

/** The first one, and as many after it as name so many places. */
export function fittingPlaces(list: readonly AccountOperation[], max = MAX_PLACES): readonly AccountOperation[] {
  let places = 0;
  const count = list.findIndex(({ after }, i) => (places += Object.values(after).reduce((sum, of) => sum + of.length, 0)) > max && i > 0);
  return list.slice(0, count < 0 ? list.length : count);
}
