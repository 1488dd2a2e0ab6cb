import { PeerLanes } from './peer-lanes.js';

describe('lanes to other homes', () => {
  it('do not try a home that is left alone, however often they are woken, and go on at once when it is back', async () => {
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
    expect(tries).toBe(0);
    isLeftAlone = false;
    await done;
    lanes.stop();
  }, 2_000);
});
