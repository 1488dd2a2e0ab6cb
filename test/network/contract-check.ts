import type { Contract, Exchange } from '../contract/openapi/contract.ts';

const contract = (globalThis as { specificationContract?: Contract }).specificationContract;
/** Bound of what one test tells. */
const MAX_VIOLATIONS = 20;
let violations: string[] = [];

/** Notes what an exchange has that the specification does not allow; the test that it happened in fails for it. */
export function checkExchange(exchange: Exchange): void {
  if (contract && violations.length < MAX_VIOLATIONS) violations.push(...contract.violations(exchange));
}

/** Notes what a request has, whose answer is somebody's who may say anything. */
export function checkRequest(request: Pick<Exchange, 'method' | 'path' | 'request'>): void {
  if (contract && violations.length < MAX_VIOLATIONS) violations.push(...contract.violationsOfRequest(request));
}

/** What has been noted since it was last asked. */
export function takeViolations(): string[] {
  const taken = violations;
  violations = [];
  return [...new Set(taken)];
}
