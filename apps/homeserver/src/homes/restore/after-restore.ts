import { Injectable, type OnModuleInit } from '@nestjs/common';
import { Destinations } from '../../federation/outgoing/destinations.js';
import { Clock } from '../../observability/clock.js';
import { Log } from '../../observability/log.js';
import { DatabaseEpoch } from '../../storage/database-epoch.js';
import { RestoreTasks } from '../../storage/restore-tasks.js';
import { OperationLog } from '../ops/operation-log.js';
import { RoomCatchUp } from './room-catch-up.js';

/** Rooms whose other servers are all silent are not asked for any longer than that; their next event brings what is missing. */
const PATIENCE_MS = 24 * 3_600_000;

/** What the folders of homes do after a restore (docs/protocol.md, "Restored from a backup"). */
@Injectable()
export class AfterRestore implements OnModuleInit {
  constructor(
    private readonly restores: RestoreTasks,
    private readonly epoch: DatabaseEpoch,
    private readonly rooms: RoomCatchUp,
    private readonly log: OperationLog,
    private readonly clock: Clock,
    private readonly logger: Log,
    destinations: Destinations,
  ) {
    destinations.onAlive(() => this.restores.retry('rooms'));
  }

  async onModuleInit(): Promise<void> {
    // Numbers of the old logs may have been given already; they are fetched from other homes as if somebody else had written them.
    await this.restores.register('logs', () => this.log.beginAnew());
    let open: { epoch: string; silent: readonly string[] } | undefined;
    await this.restores.register('rooms', async () => {
      const { epoch } = this.epoch;
      const silent = open?.epoch === epoch ? await this.rooms.some(open.silent) : await this.rooms.all();
      open = { epoch, silent };
      const isPatient = this.clock.now() - (this.epoch.restoredTs ?? 0) < PATIENCE_MS;
      if (silent.length > 0 && isPatient) throw new Error(`of ${silent.length} rooms no other server has answered`);
      if (silent.length > 0) this.logger.warn('rooms could not be caught up after a restore', { rooms: silent.length });
    }, { background: true });
  }
}
