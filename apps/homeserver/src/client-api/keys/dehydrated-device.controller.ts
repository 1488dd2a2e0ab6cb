import { Controller, Delete, Get, Param, Post, Put } from '@nestjs/common';
import { z } from 'zod';
import type { JsonObject } from '#federation';
import { boundedJson } from '../../accounts/bounded-json.js';
import type { Requester } from '../../accounts/requester.js';
import { DehydratedDevices, MAX_DEVICE_DATA_BYTES } from '../../device-keys/dehydration/dehydrated-devices.js';
import { ToDeviceInbox } from '../../device-keys/to-device/to-device-inbox.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { optionalText, text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';
import { RawJson } from '../../http/raw-json.js';
import { positionsBy } from '../../storage/positions-text.js';
import { StreamPositions } from '../../storage/stream-positions.js';
import { SyncTokens } from '../../sync/sync-tokens.js';
import { uploadSchema } from './keys.schema.js';

const putSchema = uploadSchema.extend({
  device_id: text(255).min(1),
  device_data: z.looseObject({ algorithm: text(255) }),
  device_keys: uploadSchema.shape.device_keys.unwrap().unwrap(),
  initial_device_display_name: optionalText(255),
});
const eventsSchema = z.object({ next_batch: z.string().nullish() });

/** MSC3814. */
@Controller('/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device')
export class DehydratedDeviceController {
  constructor(
    private readonly dehydrated: DehydratedDevices,
    private readonly inbox: ToDeviceInbox,
    private readonly positions: StreamPositions,
    private readonly tokens: SyncTokens,
  ) {}

  @Put()
  @Auth('user')
  @RateLimit('login')
  async put(@CurrentUser() { userId }: Requester, @JsonBody(putSchema) body: z.output<typeof putSchema>): Promise<object> {
    await this.dehydrated.put(userId, {
      deviceId: body.device_id,
      displayName: body.initial_device_display_name ?? null,
      deviceData: boundedJson(body.device_data, MAX_DEVICE_DATA_BYTES, 'device_data'),
      deviceKeys: body.device_keys as JsonObject,
      oneTimeKeys: body.one_time_keys ?? {},
      fallbackKeys: body.fallback_keys ?? {},
    });
    return { device_id: body.device_id };
  }

  @Get()
  @Auth('user')
  async get(@CurrentUser() { userId }: Requester): Promise<RawJson> {
    const device = await this.dehydrated.of(userId);
    if (!device) throw none();
    return new RawJson(`{"device_id":${JSON.stringify(device.deviceId)},"device_data":${device.deviceData}}`);
  }

  @Delete()
  @Auth('user')
  async delete(@CurrentUser() { userId }: Requester): Promise<object> {
    const deviceId = await this.dehydrated.delete(userId);
    if (deviceId === undefined) throw none();
    return { device_id: deviceId };
  }

  /**
   * What waits for the device, oldest first, until `events` is empty. Nothing goes before the device does, so that who is interrupted
   * begins anew. A token of another home begins anew, too.
   */
  @Post(':deviceId/events')
  @Auth('user')
  async events(
    @CurrentUser() { userId }: Requester, @Param('deviceId') deviceId: string, @JsonBody(eventsSchema) { next_batch: token }: z.output<typeof eventsSchema>,
  ): Promise<RawJson> {
    if ((await this.dehydrated.of(userId))?.deviceId !== deviceId) throw MatrixError.forbidden('This is not your dehydrated device');
    const from = token ? ((await this.tokens.positions(token))?.to_device ?? 0) : 0;
    const { events, pos } = await this.inbox.messages(userId, deviceId, { from, to: this.positions.current('to_device'), withIds: false });
    const next = this.tokens.sync({ ...positionsBy(() => 0), to_device: pos });
    return new RawJson(`{"events":[${events.join(',')}],"next_batch":${JSON.stringify(next)}}`);
  }
}

function none(): MatrixError {
  return MatrixError.notFound('There is no dehydrated device');
}
