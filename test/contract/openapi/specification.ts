import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';

/** JSON of the specification's files. */
export type Schema = any;

/** One operation of an OpenAPI file, all `$ref`s in their places. */
export interface Operation {
  /** `PUT /_matrix/client/v3/profile/{userId}/{keyName}`: `operationId`s are not unique over all files. */
  readonly name: string;
  readonly method: string;
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly parameters: readonly Parameter[];
  /** Of a JSON body; undefined when it takes none. */
  readonly request: Schema;
  /** JSON Schema by status, `null` for a status without a JSON body. */
  readonly responses: Readonly<Record<string, Schema>>;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly schema: Schema;
}

const METHODS = ['get', 'put', 'post', 'delete'];
/** What says nothing about a value. */
const PROSE = new Set(['description', 'title', 'example', 'examples', 'default', 'deprecated', 'externalDocs']);

/** Folder of the specification's files (`MATRIX_SPEC_DIR`, else beside the project); null when it is not there. */
export function specificationFolder(): string | null {
  const folder = process.env['MATRIX_SPEC_DIR'] ?? resolve(import.meta.dirname, '../../../../shared/matrix-spec');
  return existsSync(join(folder, 'api')) ? folder : null;
}

/** All operations of some APIs of the specification, e.g. `client-server`. */
export function operationsOf(folder: string, apis: readonly string[]): Operation[] {
  const files = new Files();
  return apis.flatMap((api) => readdirSync(join(folder, 'api', api)).filter((name) => name.endsWith('.yaml')).flatMap((name) => {
    const file = join(folder, 'api', api, name);
    const { servers, paths } = files.read(file);
    const base = servers[0].variables.basePath.default as string;
    return Object.entries<Schema>(paths).flatMap(([path, item]) => METHODS.filter((method) => item[method]).map((method) =>
      operation(method.toUpperCase(), `${base}${path}`, { ...item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])] }, (value) => files.resolved(value, file))));
  }));
}

function operation(method: string, path: string, declared: Schema, resolved: (value: Schema) => Schema): Operation {
  const body = resolved({ body: declared.requestBody ?? {} }).body;
  const responses = Object.entries<Schema>(resolved({ all: declared.responses }).all);
  return {
    name: `${method} ${path}`,
    method,
    path,
    parameters: resolved(declared.parameters).map((parameter: Schema) => ({ required: false, schema: {}, ...parameter })),
    request: body.content?.['application/json']?.schema,
    responses: Object.fromEntries(responses.map(([status, response]) => [status, response.content?.['application/json']?.schema ?? null])),
  };
}

/** YAML files and what they refer to. */
class Files {
  readonly #parsed = new Map<string, Schema>();

  read(file: string): Schema {
    if (!this.#parsed.has(file)) this.#parsed.set(file, parse(readFileSync(file, 'utf8'), { logLevel: 'silent' }));
    return this.#parsed.get(file);
  }

  /** A value with what it refers to in place of `$ref`, without prose. What refers to itself may be anything further down. */
  resolved(value: Schema, file: string, above: readonly string[] = []): Schema {
    if (Array.isArray(value)) return value.map((item) => this.resolved(item, file, above));
    if (value === null || typeof value !== 'object') return value;
    const { $ref, ...rest } = value;
    const own = Object.fromEntries(Object.entries(rest).filter(([key]) => isKept(key, value)).map(([key, item]) => [key, this.resolved(item, file, above)]));
    if (typeof $ref !== 'string') return own;
    const [path, pointer = ''] = $ref.split('#') as [string, string?];
    const target = path === '' ? file : join(dirname(file), path);
    const place = `${target}#${pointer}`;
    if (above.includes(place)) return {};
    const found = pointer.split('/').filter(Boolean).reduce((at, key) => at[key.replace(/~1/g, '/').replace(/~0/g, '~')], this.read(target));
    const referred = this.resolved(found, target, [...above, place]);
    return 'properties' in own || 'required' in own ? { allOf: [referred, own] } : { ...referred, ...own };
  }
}

/** Members called like prose are members where they stand below `properties`. */
function isKept(key: string, value: Schema): boolean {
  return !(PROSE.has(key) && !isSchemaMap(value)) && !key.startsWith('x-');
}

/** Whether all values are schemas, as below `properties`: prose is text, a list or an example without a type. */
function isSchemaMap(value: Schema): boolean {
  return Object.values<Schema>(value).every((item) => item !== null && typeof item === 'object' && !Array.isArray(item) && ['type', '$ref', 'allOf', 'oneOf', 'anyOf', 'properties', 'description'].some((key) => key in item));
}
