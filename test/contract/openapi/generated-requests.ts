import fc from 'fast-check';
import { noJson, oddValues, textOf, withOdd } from './odd-values.ts';
import type { Operation, Parameter } from './specification.ts';
import { validValues, type KnownValues } from './valid-values.ts';

/** A request that is wrong somewhere, or nowhere. */
export interface GeneratedRequest {
  readonly operation: Operation;
  readonly path: string;
  readonly contentType: string;
  readonly body: Buffer | undefined;
  /** It cannot be anything but refused, as no JSON. */
  readonly isNoJson: boolean;
}

const ODD_SEGMENTS = [
  'x'.repeat(256), 'x'.repeat(1_500), '..', '%2e%2e', '..%2f..%2fetc', '%ff', '%', '%zz', '%f0%9f%98%80', '%40x', '%21x', '%23x:', '__proto__', "'%22%5c", '%20', '-1', '0', '1e9',
  '%40' + 'x'.repeat(300) + ':localhost', '%ed%a0%80', 'a%00b', '*', '%2f', '!x:localhost:1', '$x', '%0a', '@a:localhost:1', '99999999999999999999',
];
const ODD_QUERIES = [
  'x', '-1', '0', '1e9', '1.5', '99999999999999999999', '', '{', '[]', 'null', 'true', '%00', '%ff', '%f0%9f%98%80', '%ed%a0%80', '{"room":{"timeline":{"limit":-1}}}', 'x'.repeat(2_000), '%', 'localhost:1',
];
const ODD_TYPES = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/json; charset=utf-16', 'x', 'application/json;;;', ' '];

/** Requests to one operation: addresses, queries and bodies mostly as they should be, with one or two places that are not. */
export function generatedRequests(operation: Operation, known: KnownValues): fc.Arbitrary<GeneratedRequest> {
  const segments = operation.path.trim().split('/').map((segment): fc.Arbitrary<string> => {
    const name = /^\{(.+)\}$/.exec(segment)?.[1];
    if (name === undefined) return fc.constant(segment);
    // One that was there is answered as before.
    if (name === 'txnId') return fc.uuid();
    const value = encodeURIComponent(known[name.replaceAll('_', '').toLowerCase()] ?? 'x');
    return fc.oneof({ weight: 8, arbitrary: fc.constant(value) }, { weight: 1, arbitrary: fc.constantFrom(...ODD_SEGMENTS) });
  });
  const query = fc.tuple(...operation.parameters.filter(({ in: place }) => place === 'query').map((parameter) => parameterTexts(parameter, known)));
  return fc.record({ path: fc.tuple(...segments), query, contentType: fc.oneof({ weight: 9, arbitrary: fc.constant('application/json') }, fc.constantFrom(...ODD_TYPES)), body: bodies(operation, known) })
    .map(({ path, query: parameters, contentType, body }) => {
      const search = parameters.flat().join('&');
      return { operation, path: path.join('/') + (search === '' ? '' : `?${search}`), contentType, ...body };
    });
}

function parameterTexts({ name, required, schema }: Parameter, known: KnownValues): fc.Arbitrary<string[]> {
  const good = validValues(schema, known, name).map((value) => [value].flat().map((one) => `${name}=${encodeURIComponent(wellFormed(typeof one === 'string' ? one : JSON.stringify(one)))}`));
  const odd = fc.constantFrom(...ODD_QUERIES).map((value) => [`${name}=${value.includes('%') ? value : encodeURIComponent(value)}`]);
  const twice = fc.constant<string[]>([`${name}=a`, `${name}=b`]);
  return fc.oneof(
    { weight: required ? 12 : 3, arbitrary: good }, { weight: required ? 1 : 6, arbitrary: fc.constant<string[]>([]) }, { weight: 2, arbitrary: odd }, { weight: 1, arbitrary: twice },
  );
}

function bodies(operation: Operation, known: KnownValues): fc.Arbitrary<Pick<GeneratedRequest, 'body' | 'isNoJson'>> {
  if (operation.method === 'GET') return fc.constant({ body: undefined, isNoJson: false });
  const valid = validValues(operation.request ?? { type: 'object' }, known);
  const json = fc.tuple(valid, fc.array(fc.tuple(fc.nat({ max: 60 }), oddValues), { minLength: 0, maxLength: 2 }))
    .map(([body, changes]) => changes.reduce<unknown>((changed, [at, odd]) => withOdd(changed, at, odd), body));
  return fc.oneof(
    { weight: 10, arbitrary: json.map((body) => ({ body: Buffer.from(textOf(body)), isNoJson: false })) },
    { weight: 1, arbitrary: noJson.map((body) => ({ body, isNoJson: true })) },
  );
}

const wellFormed = (text: string): string => text.toWellFormed();
