export { exceedsSize } from './exceeds-size.js';
export { parseJsonInSlices, parseJsonOfPartsInSlices, type Slices, TooManyValuesError } from './parse-json-in-slices.js';
export { JsonMeter } from './json-meter.js';
export { MAX_NESTING, nestsDeeperThan } from './nests-deeper-than.js';
export { LoneSurrogateError, parseJson, parseJsonOfParts, parseStoredJson, wellFormedJson } from './parse-json.js';
