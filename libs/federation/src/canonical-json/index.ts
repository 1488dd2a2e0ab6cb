export { CanonicalJsonError } from './canonical-json-error.js';
export { canonicalJson } from './canonical-json.js';
export { canonicalJsonInSlices } from './canonical-json-in-slices.js';
export { parseCanonicalJson } from './parse-canonical-json.js';
