import { takeViolations } from './contract-check.js';

// In each suite (jest.config.mjs): a test fails for what was said in it, or in a hook before it, against the specification.
function check(): void {
  const violations = takeViolations();
  if (violations.length > 0) throw new Error(`against the specification:\n${violations.join('\n')}`);
}

afterEach(check);
afterAll(check);
