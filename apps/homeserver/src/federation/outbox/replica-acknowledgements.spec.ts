import { ReplicaAcknowledgements } from './replica-acknowledgements.js';

describe('ReplicaAcknowledgements', () => {
  it('answers at once with what is known already', async () => {
    const acknowledgements = new ReplicaAcknowledgements();
    acknowledgements.acknowledge('$e', 'b.example');
    expect(await acknowledgements.wait('$e', 1, 60_000)).toEqual(['b.example']);
  });

  it('waits for as many different servers as are asked for', async () => {
    const acknowledgements = new ReplicaAcknowledgements();
    let done = false;
    const waiting = acknowledgements.wait('$e', 2, 60_000).finally(() => (done = true));
    acknowledgements.acknowledge('$e', 'b.example');
    acknowledgements.acknowledge('$e', 'b.example');
    acknowledgements.acknowledge('$other', 'c.example');
    await new Promise(setImmediate);
    expect(done).toBe(false);
    acknowledgements.acknowledge('$e', 'c.example');
    expect(await waiting).toEqual(['b.example', 'c.example']);
  });

  it('answers with those that there are when the time is over or the server stops', async () => {
    const acknowledgements = new ReplicaAcknowledgements();
    acknowledgements.acknowledge('$e', 'b.example');
    expect(await acknowledgements.wait('$e', 3, 1)).toEqual(['b.example']);
    const waiting = acknowledgements.wait('$e', 3, 60_000);
    acknowledgements.stop();
    expect(await waiting).toEqual(['b.example']);
  });
});
