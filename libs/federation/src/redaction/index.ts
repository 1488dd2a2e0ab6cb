export type { RedactionRules } from './redaction-rules.js';
export { redactPdu } from './redact-pdu.js';
