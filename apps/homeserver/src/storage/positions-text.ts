import { parseStoredJson } from '#json';
import { streamNames, type StreamName } from '../bus/bus.js';

/** A position in every stream. */
export type Positions = Readonly<Record<StreamName, number>>;

/** The JSON text of positions, by name: a stream that is added later has none in it. */
export function positionsText(positions: Positions): string {
  return JSON.stringify(positions);
}

/** @returns 0 for streams that the text does not name */
export function readPositions(text: string): Positions {
  const given = parseStoredJson(text) as Partial<Record<StreamName, unknown>>;
  return positionsBy((name) => (Number.isSafeInteger(given[name]) ? (given[name] as number) : 0));
}

export function positionsBy(of: (name: StreamName) => number): Positions {
  return Object.fromEntries(streamNames.map((name) => [name, of(name)])) as Positions;
}
