export { nestsDeeperThan } from './nests-deeper-than.js';
export { LoneSurrogateError, parseJson, parseJsonOfParts, parseStoredJson, wellFormedJson } from './parse-json.js';
