import { PeerLanes } from './peer-lanes.js';

describe('lanes to other homes', () => {
  it('go on at once with a home that is back, however often they were told of it while it was left alone', async () => {
    let isLeftAlone = true;
    let tries = 0;
    const { promise: done, resolve } = Promise.withResolvers<void>();
    const lanes = new PeerLanes(
      async () => {
        tries++;
        await Promise.resolve();
        if (isLeftAlone) throw new Error('it did not answer lately');
        resolve();
      },
      () => undefined,
      () => (isLeftAlone ? 20 : 0),
    );
    for (let i = 0; i < 10; i++) {
      lanes.wake('@alice:a', 'b');
      await Promise.all(lanes.running());
    }
    expect(tries).toBe(10);
    isLeftAlone = false;
    await done;
    lanes.stop();
  }, 2_000);
});
