import { Injectable } from '@nestjs/common';
import { serverNameOf } from '#federation';
import { type FindOptionsWhere, In } from 'typeorm';
import { AccountDirectory } from '../accounts/account-directory.js';
import { Config } from '../config/config.js';
import { MatrixError } from '../errors/matrix-error.js';
import { Clock } from '../observability/clock.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import { RoomsStore } from '../rooms/rooms.store.js';
import { EventsStore } from '../rooms/timeline/events.store.js';
import { Database, type Reads } from '../storage/database.js';
import { Report, type ReportKind } from './report.entity.js';

/** Reports that are kept of one account; its oldest go first. */
const MAX_PER_REPORTER = 200;

export interface ReportWords {
  readonly reason?: string | undefined;
  readonly score?: number | undefined;
}

export interface ReportPage {
  readonly reports: Report[];
  readonly total: number;
}

/** What people report to the administrators of this server (client-server API, §Reporting Content). */
@Injectable()
export class Reports {
  readonly #reports: Reads<Report>;

  constructor(
    private readonly db: Database,
    private readonly registry: RoomRegistry,
    private readonly rooms: RoomsStore,
    private readonly events: EventsStore,
    private readonly accounts: AccountDirectory,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {
    this.#reports = db.repository(Report);
  }

  /** @throws MatrixError 404 M_NOT_FOUND when the reporter is not in the room, or the event not in it */
  async ofEvent(reporter: string, roomId: string, eventId: string, words: ReportWords): Promise<void> {
    const room = await this.registry.find(roomId);
    const stored = room?.state.joined.has(reporter) ? await this.events.byId(roomId, eventId) : undefined;
    if (!stored) throw MatrixError.notFound('No such event in a room of yours');
    await this.#add({ kind: 'event', reporter, roomId, eventId, about: stored.event.pdu.sender, ...words });
  }

  /** The reporter may be outside. @throws MatrixError 404 M_NOT_FOUND for rooms that nobody here has to do with */
  async ofRoom(reporter: string, roomId: string, words: ReportWords): Promise<void> {
    if (!(await this.rooms.room(roomId))) throw MatrixError.notFound('This server knows no such room');
    await this.#add({ kind: 'room', reporter, roomId, eventId: null, about: null, ...words });
  }

  /** @throws MatrixError 404 M_NOT_FOUND for a user of this server that does not exist */
  async ofUser(reporter: string, about: string, words: ReportWords): Promise<void> {
    const domain = serverNameOf(about);
    if (domain === undefined || (domain === this.config.serverName && !this.accounts.has(about))) throw MatrixError.notFound('No such user');
    await this.#add({ kind: 'user', reporter, roomId: null, eventId: null, about, ...words });
  }

  /** Reports of one kind, the latest first unless `oldestFirst`. */
  async page(kind: ReportKind, wish: { from: number; limit: number; oldestFirst: boolean; where: FindOptionsWhere<Report> }): Promise<ReportPage> {
    const where = { ...wish.where, kind };
    const [reports, total] = await Promise.all([
      this.#reports.find({ where, order: { id: wish.oldestFirst ? 'ASC' : 'DESC' }, skip: wish.from, take: wish.limit }),
      this.#reports.countBy(where),
    ]);
    return { reports, total };
  }

  async get(kind: ReportKind, id: number): Promise<Report | undefined> {
    return (await this.#reports.findOneBy({ kind, id })) ?? undefined;
  }

  /** @returns false when there was none */
  async delete(kind: ReportKind, id: number): Promise<boolean> {
    return (await this.db.transaction((tx) => tx.repository(Report).delete({ kind, id }))).affected === 1;
  }

  async #add({ reason, score, ...report }: Omit<Report, 'id' | 'receivedTs' | 'reason' | 'score'> & ReportWords): Promise<void> {
    const { reporter } = report;
    const row = { ...report, reason: reason ?? null, score: score ?? null, receivedTs: this.clock.now() };
    await this.db.transaction(async (tx) => {
      const reports = tx.repository(Report);
      const surplus = await reports.find({ select: { id: true }, where: { reporter }, order: { id: 'DESC' }, skip: MAX_PER_REPORTER - 1, take: 100 });
      if (surplus.length > 0) await reports.delete({ id: In(surplus.map(({ id }) => id)) });
      await reports.insert(row);
    });
  }
}
