export { AccountLog, type Verdict } from './account-log.js';
export { CLOSED_KIND, type ClosedLog } from './closed-log.js';
export { bucketHash, bucketOf, digestRoot, DIGEST_BUCKETS } from './digest.js';
export { itemName, type HeldOperation } from './held-operation.js';
export { compareWrites, concurrentWrites, newestOfLogs, shownWrite, type ItemWrite } from './item-writes.js';
export { headInput, readHead, signHead, type LogHead } from './log-head.js';
export { isCovered, LogLines, type Coverage, type LinePlace, type LogLine } from './log-lines.js';
export { isLogName, isLogOf, LOG_PREFIX_CHARACTERS, logName, logPrefix } from './log-name.js';
export {
  isOperationSignedBy, operationHash, operationInput, signOperation, type AccountOperation, type LogPlaces, type UnsignedOperation,
} from './operation.js';
export { readOperation, readPlaces } from './read-operation.js';
export { homeOfLog, keyOfLog, standingOf, type LogStanding } from './standing.js';
export { isSurplus, MAX_LOGS_OF_KEY, surplusLogs } from './surplus-logs.js';
