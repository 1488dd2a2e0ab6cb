import { appendFileSync } from 'node:fs';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import { allowed } from './allowances.ts';
import { isKnownErrorCode } from './error-codes.ts';
import { operationsOf, specificationFolder, type Operation, type Schema } from './specification.ts';

/** What was sent and what was answered. */
export interface Exchange {
  readonly method: string;
  /** With its query, as it was sent. */
  readonly path: string;
  /** The JSON body; undefined when there was none. */
  readonly request: unknown;
  readonly status: number;
  /** The JSON body; undefined when it was none. */
  readonly answer: unknown;
  /** The request may be as wrong as its answer lets it: another server's, whose events nobody may refuse whom others believe. */
  readonly isLenient?: boolean | undefined;
}

/** Answers that any operation may give, for what is not in its own list: the specification names only those that are special. */
const COMMON_ERRORS = new Set([400, 401, 403, 404, 405, 413, 414, 429, 502, 503, 504]);
/** How much of a value a violation shows. */
const SHOWN = 300;

interface Known extends Operation {
  readonly pattern: RegExp;
}

/**
 * The Client-Server and the Server-Server API as the OpenAPI files of the specification declare them. Lives once per process:
 * schemas are compiled when they are first needed.
 */
export class Contract {
  readonly #ajv = new Ajv2020({ strict: false, logger: false, validateFormats: false });
  readonly #validators = new Map<Schema, ValidateFunction>();
  readonly #called = new Set<string>();
  #operations: Map<string, Known[]> | null = null;
  readonly #calls: string | null;

  /** @param calls file to which the names of operations are added that were answered well; null keeps no account */
  constructor(calls: string | null) {
    this.#calls = calls;
  }

  /** What the exchange has that the specification does not allow, a sentence each. Nothing where the specification is not at hand. */
  violations(exchange: Exchange): string[] {
    return this.#violations(exchange, (operation) => this.#faultsOf(operation, exchange), (operation) => exchange.status < 400 && this.#note(operation.name));
  }

  /** The same of a request alone. */
  violationsOfRequest(request: Pick<Exchange, 'method' | 'path' | 'request'>): string[] {
    return this.#violations(request, (operation) => this.#requestFaults(operation, request));
  }

  #violations(exchange: Partial<Exchange> & { method: string; path: string }, faultsOf: (operation: Known) => string[], fits?: (operation: Known) => void): string[] {
    let violations: string[] | null = null;
    let isFine = false;
    // A few operations have the same address: what one of them allows is allowed.
    for (const operation of this.#operationsAt(exchange.method, exchange.path.split('?', 1)[0]!)) {
      const faults = faultsOf(operation).filter((fault) => !allowed(operation.name, fault));
      if (faults.length === 0) {
        isFine = true;
        fits?.(operation);
      }
      violations ??= faults.map((fault) => `${operation.name}: ${fault}\n  ${exchange.status ?? ''} ${shown(exchange.answer)}\n  to ${exchange.path} ${shown(exchange.request)}`);
    }
    return isFine ? [] : (violations ?? []);
  }

  /** The operations that a path may be for, those with the same and fewest parameters. */
  #operationsAt(method: string, path: string): Known[] {
    this.#operations ??= this.#load();
    const fitting = (this.#operations.get(`${method} ${path.split('/').length}`) ?? []).filter(({ pattern }) => pattern.test(path));
    return fitting.filter((operation) => operation.path.trim() === fitting[0]!.path.trim());
  }

  /** By method and number of parts, those with fewer parameters first. */
  #load(): Map<string, Known[]> {
    const folder = specificationFolder();
    const all = folder === null ? [] : operationsOf(folder, ['client-server', 'server-server']);
    const known = all.map((operation) => ({ ...operation, pattern: patternOf(operation.path.trim()) }));
    known.sort((x, y) => x.path.split('{').length - y.path.split('{').length);
    return Map.groupBy(known, ({ method, path }) => `${method} ${path.split('/').length}`);
  }

  #faultsOf(operation: Known, exchange: Exchange): string[] {
    const { status, answer } = exchange;
    const schema = operation.responses[status];
    if (status >= 400) return [...(schema && !isOfToken(status, answer) ? this.#faults('the answer', schema, answer) : []), ...errorFaults(status, answer, operation)];
    return [
      ...(status in operation.responses ? [] : [`answers ${status}, which is not among ${Object.keys(operation.responses).join(', ')}`]),
      ...(schema ? this.#faults('the answer', schema, answer) : []),
      ...(exchange.isLenient ? [] : this.#requestFaults(operation, exchange)),
    ];
  }

  #requestFaults({ parameters, request: schema }: Known, { path, request }: Pick<Exchange, 'path' | 'request'>): string[] {
    const query = new URLSearchParams(path.split('?')[1]);
    const missing = parameters.filter(({ name, required, in: place }) => place === 'query' && required && !query.has(name));
    return [
      ...missing.map(({ name }) => `the request has no ${name} in its query`),
      ...(schema && (request !== undefined || schema.required?.length > 0) ? this.#faults('the request', schema, withoutNulls(request)) : []),
    ];
  }

  #faults(what: string, schema: Schema, value: unknown): string[] {
    let validate = this.#validators.get(schema);
    if (!validate) this.#validators.set(schema, (validate = this.#ajv.compile(schema)));
    if (value !== undefined && validate(value)) return [];
    if (value === undefined) return [`${what} is no JSON`];
    return (validate.errors ?? []).map(({ instancePath, message, params }) => `${what}${instancePath} ${message}${'allowedValues' in params ? ` ${params['allowedValues']}` : ''}`);
  }

  #note(name: string): void {
    if (this.#calls === null || this.#called.has(name)) return;
    this.#called.add(name);
    appendFileSync(this.#calls, `${name}\n`);
  }
}

/** @see the specification, "Standard error response" */
function errorFaults(status: number, answer: unknown, operation: Operation): string[] {
  if (!(status in operation.responses) && !COMMON_ERRORS.has(status)) return [`answers ${status}, which no operation does`];
  const { errcode, error, flows } = (answer ?? {}) as { errcode?: unknown; error?: unknown; flows?: unknown };
  if (status === 401 && Array.isArray(flows)) return [];
  if (typeof errcode !== 'string' || typeof error !== 'string') return [`answers ${status} without errcode and error`];
  return isKnownErrorCode(errcode) ? [] : [`answers ${errcode}, which the specification does not have`];
}

/** Whether it is refused for its token, which operations with answers of their own for 401 do, too. */
function isOfToken(status: number, answer: unknown): boolean {
  return status === 401 && /^M_(MISSING_TOKEN|UNKNOWN_TOKEN|USER_LOCKED)$/.test((answer as { errcode?: string } | undefined)?.errcode ?? '');
}

/** COMPAT(clients): `null` for an optional member is as good as none. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null && member !== undefined).map(([name, member]) => [name, withoutNulls(member)]));
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{([^}]+)\}/g, (_, name) => (name === 'stateKey' ? '[^/]*' : '[^/]+'))}$`);
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? '').slice(0, SHOWN);
}
