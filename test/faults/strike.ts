import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../../apps/homeserver/src/demo/server-process.js';
import { describeFault, type Fault } from './fault-plan.js';
import type { FaultWorld } from './fault-world.js';
import type { Talker } from './talker.js';
import { trace } from './trace.js';

/** Lets a fault happen at its time, and resolves when it is over. */
export async function strike(world: FaultWorld, talkers: readonly Talker[], fault: Fault): Promise<void> {
  // A backup is made before anything of the run, an hour ago as it were.
  if (fault.kind === 'restore') await world.backUp(fault.server);
  await sleep(fault.at);
  trace(describeFault(fault));
  if (!('server' in fault)) return cut(world, fault);
  const server = world.server(fault.server);
  switch (fault.kind) {
    case 'freeze':
      server.freeze();
      await sleep(fault.for);
      return server.thaw();
    case 'clock':
      server.tell({ clock: fault.byMs });
      await sleep(fault.for);
      return server.tell({ clock: 0 });
    case 'step':
      server.tell({ crash: { step: fault.step, after: fault.after } });
      // It dies by its own next write; where there is none in all that time, by this one.
      await Promise.race([server.gone(), sleep(fault.for)]);
      await server.kill();
      return server.start();
    case 'record': {
      const owner = ownerAt(talkers, server);
      // Another fault may keep the record from being taken at all. Then nothing was promised.
      await owner.setThirdHome(server, thirdOf(world, owner), !fault.drops).catch(() => undefined);
      await server.kill();
      await sleep(fault.for);
      return server.start();
    }
    case 'kill':
      await server.kill();
      await sleep(fault.for);
      return server.start();
    case 'restore':
      await world.restore(fault.server);
  }
}

/** Sees to it that a run begins with the homes that its plan is about, whatever runs were before it. */
export async function prepareHomes(world: FaultWorld, talkers: readonly Talker[], plan: readonly Fault[]): Promise<void> {
  for (const talker of talkers) {
    const drops = plan.some((fault) => fault.kind === 'record' && fault.drops && ownerAt(talkers, world.server(fault.server)) === talker);
    await talker.setThirdHome(talker.homes[0]!, thirdOf(world, talker), drops);
  }
}

/** Whose record a server takes. */
function ownerAt(talkers: readonly Talker[], server: ServerProcess): Talker {
  return talkers.find((talker) => talker.homes.includes(server))!;
}

function thirdOf(world: FaultWorld, { homes }: Talker): ServerProcess {
  return world.servers.find((server) => !homes.includes(server))!;
}

async function cut(world: FaultWorld, fault: Extract<Fault, { from: string }>): Promise<void> {
  const links = [world.link(fault.from, fault.to), ...(fault.bothWays ? [world.link(fault.to, fault.from)] : [])];
  for (const link of links) link.set(fault.kind === 'refuse' ? 'refused' : 'stalled');
  await sleep(fault.for);
  for (const link of links) link.set('open');
}
