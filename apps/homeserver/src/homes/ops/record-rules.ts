import type { HomeRecord } from '#federation';
import { parseStoredJson } from '#json';

/** Whether a replicated item is one that the account's record forbids: a master key other than the one that it pins. */
export function violatesRecord(item: { kind: string; key: string; value: unknown }, record: HomeRecord | undefined): boolean {
  const pinned = record?.master_key ?? null;
  if (pinned === null || item.kind !== 'cross_signing' || item.key !== 'master' || item.value === null) return false;
  const keys = (parse(item.value) as { keys?: unknown } | null)?.keys;
  return typeof keys !== 'object' || keys === null || !Object.values(keys).includes(pinned);
}

/** Keys travel as JSON text, as they are stored. */
function parse(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  try {
    return parseStoredJson(value);
  } catch {
    return null;
  }
}
