export { HomeRecordError } from './home-record.js';
export type { AccountKeyCert, EndorsementTerms, HomeEntry, HomeGenesis, HomeRecord, LogPlace, RetiredHome } from './home-record.js';
export { readHomeRecord } from './read-home-record.js';
export { verifyHomeRecord } from './verify-home-record.js';
export { endorsementInput, genesisHash, isSelfCertifying, selfCertifyingLocalpart } from './genesis.js';
export { acceptedInput, accountKeyCertInput, homeRecordInput } from './signed-texts.js';
export { compareRecords, isEquivocation, mayFollow, recordHash } from './compare-records.js';
export { signAccountKeyCert, signHomeRecord } from './sign-home-record.js';
export { recordOf } from './record-of.js';
