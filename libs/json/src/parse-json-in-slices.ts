import { LoneSurrogateError, wellFormedParts } from './parse-json.js';
import { type Container, JsonReader } from './read-json.js';
import { scanEscapes } from './scan-escapes.js';

/** How a long text is read without keeping others waiting. */
export interface Slices {
  /** Lets others have a turn; called every few milliseconds of work. */
  readonly pause: () => Promise<void>;
  /** Most values (texts, numbers, lists, objects…) that are made of the text: they take far more memory than it does. */
  readonly maxValues: number;
}

/** A text holds more values than were allowed for. */
export class TooManyValuesError extends SyntaxError {}

/** Values after which others have a turn. */
const VALUES_AT_ONCE = 10_000;

/**
 * What `parseJson` makes of a text, in slices.
 *
 * @throws SyntaxError; LoneSurrogateError; TooManyValuesError
 */
export async function parseJsonInSlices(text: string, slices: Slices): Promise<unknown> {
  if (hasLoneSurrogates(text)) throw new LoneSurrogateError('A string holds a lone surrogate');
  return read(text, slices);
}

/** The same for `parseJsonOfParts`. */
export async function parseJsonOfPartsInSlices(text: string, slices: Slices): Promise<unknown> {
  const value = await read(text, slices);
  return hasLoneSurrogates(text) ? wellFormedParts(value, new LoneSurrogateError('A string holds a lone surrogate')) : value;
}

function hasLoneSurrogates(text: string): boolean {
  const first = text.indexOf('\\');
  return first !== -1 && scanEscapes(text, first).loneSurrogates.length > 0;
}

async function read(text: string, { pause, maxValues }: Slices): Promise<unknown> {
  const reader = new JsonReader(text);
  const root = reader.value();
  const open: Container[] = reader.opened ? [root as Container] : [];
  for (let values = 1; open.length > 0; values++) {
    if (values > maxValues) throw new TooManyValuesError(`The text holds more than ${maxValues} values`);
    if (values % VALUES_AT_ONCE === 0) await pause();
    const container = open.at(-1)!;
    const child = Array.isArray(container) ? reader.element(container) : reader.member(container);
    if (child === undefined) open.pop();
    else if (child !== null) open.push(child);
  }
  reader.end();
  return root;
}
