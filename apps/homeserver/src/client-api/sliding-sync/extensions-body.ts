import type { Extensions, ExtensionScope } from '../../sync/sliding/sliding-request.js';
import type { ExtensionsBody, ScopeBody } from './sliding-sync.schema.js';

/** Messages to the device in one answer. */
const MAX_TO_DEVICE = 100;
/** COMPAT(MSC3575): all lists, or all subscriptions. */
const ALL = '*';

/** The extensions that a request switches on. */
export function extensionsOf(body: ExtensionsBody): Extensions {
  const { to_device: toDevice, e2ee, account_data: accountData, receipts, typing, 'org.matrix.msc4508.typing': unstableTyping } = body ?? {};
  return {
    toDevice: toDevice?.enabled ? { since: toDevice.since, limit: Math.max(1, Math.min(toDevice.limit ?? MAX_TO_DEVICE, MAX_TO_DEVICE)) } : undefined,
    e2ee: e2ee?.enabled,
    accountData: scopeOf(accountData),
    receipts: scopeOf(receipts),
    typing: scopeOf(typing) ?? scopeOf(unstableTyping),
    isTypingUnstable: scopeOf(typing) === undefined,
  };
}

function scopeOf(body: ScopeBody | undefined): ExtensionScope | undefined {
  if (!body?.enabled) return undefined;
  const these = (names: readonly string[] | undefined): ReadonlySet<string> | null => (!names || names.includes(ALL) ? null : new Set(names));
  return { lists: these(body.lists), rooms: these(body.rooms) };
}
