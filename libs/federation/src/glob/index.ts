export { matchesGlob } from './matches-glob.js';
