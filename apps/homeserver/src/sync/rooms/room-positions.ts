import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Bus } from '../../bus/bus.js';
import { StreamPositions } from '../../storage/stream-positions.js';

/** Rooms whose last position is kept. */
const MAX_ROOMS = 100_000;

/** The position of the last commit of every room that had one lately; of the others an upper bound. */
@Injectable()
export class RoomPositions implements OnModuleDestroy {
  #floor: number;
  readonly #rooms = new LRUCache<string, number>({
    maxSize: MAX_ROOMS,
    sizeCalculation: () => 1,
    dispose: (pos, _roomId, reason) => {
      if (reason === 'evict') this.#floor = Math.max(this.#floor, pos);
    },
  });
  readonly #unsubscribe: () => void;

  constructor(bus: Bus, positions: StreamPositions) {
    this.#floor = positions.current('events');
    this.#unsubscribe = bus.subscribe((message) => {
      if (message.kind === 'room') this.#rooms.set(message.roomId, message.pos);
    });
  }

  onModuleDestroy(): void {
    this.#unsubscribe();
  }

  /** False only when nothing was committed in the room after the position. */
  mayHaveChanged(roomId: string, since: number): boolean {
    return (this.#rooms.peek(roomId) ?? this.#floor) > since;
  }
}
