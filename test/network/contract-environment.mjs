import { join } from 'node:path';
import { TestEnvironment } from 'jest-environment-node';
import { Contract } from '../contract/openapi/contract.ts';

// One for all suites of a worker: what is in here is loaded once, what a suite loads goes with it.
const folder = process.env.PARTYLINE_CONTRACT_CALLS;
const contract = new Contract(folder ? join(folder, String(process.pid)) : null);

/** Node, with the specification's contract for what the suite's clients send (contract-check.ts). */
export default class ContractEnvironment extends TestEnvironment {
  async setup() {
    await super.setup();
    this.global.specificationContract = contract;
  }
}
