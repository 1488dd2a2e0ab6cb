import { seededRandom } from '../../apps/homeserver/src/demo/seeded-random.js';
import { crashSteps, faultPlan } from './fault-plan.js';

const plans = Array.from({ length: 200 }, (_, seed) => faultPlan(seededRandom(seed), ['a', 'b', 'c']));

describe('fault plans', () => {
  it('are the same for the same seed', () => {
    expect(faultPlan(seededRandom(7), ['a', 'b', 'c'])).toEqual(plans[7]);
    expect(plans[7]).not.toEqual(plans[8]);
  });

  it('hold every kind of fault, and never two for one server', () => {
    expect(new Set(plans.flat().map((fault) => fault.kind))).toEqual(new Set(['kill', 'freeze', 'step', 'clock', 'restore', 'record', 'refuse', 'stall']));
    for (const plan of plans) {
      expect(plan.length).toBeGreaterThan(0);
      const servers = plan.flatMap((fault) => ('server' in fault ? [fault.server] : []));
      expect(new Set(servers).size).toBe(servers.length);
      // Two restored servers could take with them what two servers have acknowledged.
      for (const kind of ['restore', 'record']) expect(plan.filter((fault) => fault.kind === kind).length).toBeLessThan(2);
    }
    expect(new Set(plans.flat().flatMap((fault) => (fault.kind === 'record' ? [fault.drops] : [])))).toEqual(new Set([true, false]));
    expect(new Set(plans.flat().flatMap((fault) => (fault.kind === 'step' ? [fault.step] : [])))).toEqual(new Set(crashSteps));
  });
});
