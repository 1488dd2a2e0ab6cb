import { logger } from 'matrix-js-sdk/lib/logger.js';
import type { Logger } from 'matrix-js-sdk/lib/logger.js';

const nothing = (): void => undefined;

/** For createClient: the SDK tells a lot, and here the console belongs to the story. */
export const silentLogger: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silentLogger,
};

/** Some parts of the SDK do not use the client's logger but one of the module, or the console, on which the story is told (by stdout). */
export function silenceSdk(): void {
  Object.assign(console, { trace: nothing, debug: nothing, log: nothing, info: nothing, warn: nothing, error: nothing });
  Object.assign(logger, { trace: nothing, debug: nothing, log: nothing, info: nothing, warn: nothing, error: nothing, getChild: () => silentLogger });
}
