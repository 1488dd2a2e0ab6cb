import type { HomeRecord } from '#federation';
import { parseStoredJson } from '#json';

/** A server that serves an account, as the client knows it. */
export interface PhonebookHome {
  readonly serverName: string;
  /** Lower is preferred. From the record. */
  readonly priority: number;
  /** Base URL of its Client-Server API, without a slash at the end; found by discovery when absent. */
  readonly baseUrl?: string;
  /** Absent until the client has logged in there. */
  readonly accessToken?: string;
  /** What was last seen of it, for showing it after a restart. */
  readonly seen?: { readonly state: string; readonly at: number };
}

export interface PhonebookAccount {
  readonly userId: string;
  /** The same at every home. */
  readonly deviceId: string;
  /** 32 bytes in base64url; makes the `txn` of writes. Never leaves the device. */
  readonly deviceSecret: string;
  readonly homes: readonly PhonebookHome[];
  /** The newest record that this client has verified. */
  readonly record?: HomeRecord;
  /** The one that it was made from, where that was here: what two devices that sign apart have in common. */
  readonly former?: HomeRecord;
  /** The home that the person picked by hand. */
  readonly pickedHome?: string;
}

export interface PhonebookConversation {
  readonly userId: string;
  readonly roomId: string;
  /** Server names of the room's replicas. */
  readonly replicas: readonly string[];
  readonly pickedHome?: string;
  /** Milliseconds since 1970; the conversations unused for longest are forgotten first. */
  readonly usedAt: number;
}

export interface PhonebookData {
  accounts: PhonebookAccount[];
  conversations: PhonebookConversation[];
}

/**
 * Reads a stored phonebook leniently: an entry that is not understood is left out rather than losing the whole book.
 */
export function readPhonebookData(text: string | null): PhonebookData {
  const value = parse(text);
  return {
    accounts: list(value['accounts']).filter(isAccount),
    conversations: list(value['conversations']).filter(isConversation),
  };
}

function parse(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = parseStoredJson(text ?? '{}');
    return typeof value === 'object' && value !== null ? value as Record<string, unknown> : {};
  } catch {
    return {};
  }
}

function isAccount(value: unknown): value is PhonebookAccount {
  const account = (value ?? {}) as PhonebookAccount;
  return [account.userId, account.deviceId, account.deviceSecret].every(isText)
    && list(account.homes).every((home) => isText((home as PhonebookHome | null)?.serverName));
}

function isConversation(value: unknown): value is PhonebookConversation {
  const conversation = (value ?? {}) as PhonebookConversation;
  return isText(conversation.userId) && isText(conversation.roomId) && list(conversation.replicas).every(isText);
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}
