import type { Answer } from './answer.js';

/** A home gave no answer. */
export class HomeSilent extends Error {
  constructor(
    readonly serverName: string,
    /** Whether the request cannot have reached the home, so that repeating it elsewhere cannot do anything twice. */
    readonly neverSent: boolean,
    cause: unknown,
  ) {
    super(`no answer from ${serverName}`, { cause });
  }
}

/** A home answered, but to a request made on the way (login, resume), and not as needed. The app's own was never sent. */
export class HomeRefused extends Error {
  constructor(readonly serverName: string, readonly answer: Answer, readonly step: 'login' | 'prepare') {
    super(`${serverName} refused to ${step === 'login' ? 'log in' : 'prepare the request'}: ${answer.status} ${answer.errcode}`);
  }
}

/** A home says that this device was removed: it cannot log in again by itself, there or anywhere (protocol §4). */
export class DeviceRemoved extends Error {
  constructor(readonly serverName: string) {
    super(`${serverName} says that this device was removed`);
  }
}

const beforeSending = new Set([
  'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL', 'EPROTO',
  'UND_ERR_CONNECT_TIMEOUT', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

/**
 * Whether an error of `fetch` says that no request was sent: name, connection or TLS failed. Browsers do not tell, so the
 * answer there is false: better a visible error than a thing done twice.
 */
export function failedBeforeSending(error: unknown, depth = 0): boolean {
  if (typeof error !== 'object' || error === null || depth > 4) return false;
  const { code, cause, errors } = error as { code?: unknown; cause?: unknown; errors?: unknown };
  if (typeof code === 'string' && (beforeSending.has(code) || code.startsWith('CERT_') || code.startsWith('ERR_TLS_'))) return true;
  // Node tries IPv6 and IPv4 and gives an AggregateError.
  if (Array.isArray(errors) && errors.length > 0) return errors.every((inner) => failedBeforeSending(inner, depth + 1));
  return failedBeforeSending(cause, depth + 1);
}
