import { Controller, Delete, Get, Inject, Optional, Param, Post, Put, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { Device } from '../../accounts/device.store.js';
import { Devices } from '../../accounts/devices.js';
import { HomeIdentities } from '../../accounts/identity/home-identities.js';
import type { Requester } from '../../accounts/requester.js';
import { type AuthData, authDataSchema, UserInteractiveAuth } from '../../auth/user-interactive-auth.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Auth } from '../../http/auth.decorator.js';
import { CurrentUser, JsonBody } from '../../http/param.decorators.js';
import { optionalText, text } from '../../http/query-schemas.js';
import { RateLimit } from '../../http/rate-limit.decorator.js';

const renameSchema = z.object({ display_name: optionalText(255) });
const deleteSchema = z.object({ auth: authDataSchema.optional() });
const deleteManySchema = z.object({ auth: authDataSchema.optional(), devices: z.array(text(255)).max(1000) });

@Controller('/_matrix/client/v3')
export class DevicesController {
  constructor(
    private readonly devices: Devices,
    private readonly uia: UserInteractiveAuth,
    @Optional() @Inject(HomeIdentities) private readonly identities: HomeIdentities | null,
  ) {}

  @Get('devices')
  @Auth('user-or-guest')
  async list(@CurrentUser() requester: Requester): Promise<object> {
    return { devices: (await this.devices.list(requester.userId)).map(toBody) };
  }

  @Get('devices/:deviceId')
  @Auth('user-or-guest')
  async get(@CurrentUser() requester: Requester, @Param('deviceId') deviceId: string): Promise<object> {
    const device = await this.devices.get(requester.userId, deviceId);
    if (!device) throw MatrixError.notFound('No such device');
    return toBody(device);
  }

  /** Application services may make devices by it (v1.17). */
  @Put('devices/:deviceId')
  @Auth('user-or-guest')
  async update(
    @CurrentUser() requester: Requester,
    @Param('deviceId') deviceId: string,
    @JsonBody(renameSchema) body: z.output<typeof renameSchema>,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const { userId } = requester;
    const displayName = body.display_name;
    const mayMake = requester.appserviceId !== undefined;
    if (mayMake && (await this.devices.upsert({ userId, deviceId, displayName: displayName ?? null }))) {
      reply.code(201);
    } else if (displayName !== undefined) {
      await this.devices.rename(userId, deviceId, displayName);
    } else if (!(await this.devices.get(userId, deviceId))) {
      throw MatrixError.notFound('No such device');
    }
    return {};
  }

  @Delete('devices/:deviceId')
  @Auth('user-or-guest')
  @RateLimit('login')
  async delete(
    @CurrentUser() requester: Requester,
    @Param('deviceId') deviceId: string,
    @JsonBody(deleteSchema) body: z.output<typeof deleteSchema>,
  ): Promise<object> {
    return this.#delete(requester, [deviceId], body.auth);
  }

  @Post('delete_devices')
  @Auth('user-or-guest')
  @RateLimit('login')
  async deleteMany(
    @CurrentUser() requester: Requester,
    @JsonBody(deleteManySchema) body: z.output<typeof deleteManySchema>,
  ): Promise<object> {
    return this.#delete(requester, body.devices, body.auth);
  }

  async #delete(requester: Requester, deviceIds: readonly string[], auth: AuthData | undefined): Promise<object> {
    // A session is good for these devices only.
    const operation = `delete-devices ${[...deviceIds].sort().join(' ')}`;
    if (requester.appserviceId === undefined) await this.uia.confirmOwner(operation, requester.userId, auth);
    await this.devices.delete(requester.userId, deviceIds);
    // Who has the device may still have the key: only a new one, by the recovery key, keeps him from logging in as another device.
    const mayHoldKey = await this.identities?.isKeyWithOwner(requester.userId);
    return mayHoldKey ? { 'io.partyline.may_hold_account_key': true } : {};
  }
}

function toBody(device: Device): object {
  const { deviceId, displayName, lastSeenIp, lastSeenTs } = device;
  return {
    device_id: deviceId,
    ...(displayName === null ? {} : { display_name: displayName }),
    ...(lastSeenIp === null ? {} : { last_seen_ip: lastSeenIp }),
    ...(lastSeenTs === null ? {} : { last_seen_ts: lastSeenTs }),
  };
}
