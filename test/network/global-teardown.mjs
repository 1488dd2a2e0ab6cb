import { endTestCluster } from './end-test-cluster.mjs';

export default async function globalTeardown() {
  await endTestCluster(process.env.PARTYLINE_TEST_FOLDER);
}
