import { Injectable } from '@nestjs/common';
import { AccountServers } from '../../accounts/account-servers.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { Memberships } from '../../rooms/membership/memberships.js';
import type { MediaAddress } from '../media-address.js';
import type { MediaContent } from '../media-content.js';
import { MediaQuarantine } from '../quarantine/media-quarantine.js';
import { type FoundMedia, MediaStore } from '../media.store.js';

/**
 * Which servers are told what is here: homes of whoever uploaded it, and servers in a room together with this one. Others could ask who
 * has a file that they know.
 */
@Injectable()
export class MediaAskers {
  constructor(
    private readonly store: MediaStore,
    private readonly quarantine: MediaQuarantine,
    private readonly accounts: AccountServers,
    private readonly memberships: Memberships,
  ) {}

  /** @throws MatrixError 404 M_NOT_FOUND, also for who may not ask */
  async byHash(origin: string, sha256: string, roomId: string | undefined): Promise<MediaContent> {
    this.quarantine.assertFree(sha256);
    const found = await this.store.byHash(sha256);
    const uploaders = found.flatMap(({ user_id: userId }) => userId ?? []);
    const [file] = found;
    if (!file || !(await this.#mayAsk(origin, uploaders, roomId))) throw MatrixError.notFound('There is no such file');
    return { sha256, bytes: file.file_bytes!, contentType: file.content_type, sniffedType: file.sniffed_type, filename: file.filename };
  }

  /** @throws MatrixError as `byHash` */
  async byAddress(origin: string, address: MediaAddress, roomId: string | undefined): Promise<FoundMedia & { readonly sha256: string }> {
    this.quarantine.assertFree(address);
    const found = await this.store.find(address);
    const isHere = found && found.sha256 !== null && found.file_bytes !== null;
    if (!isHere || !(await this.#mayAsk(origin, found.user_id === null ? [] : [found.user_id], roomId))) throw MatrixError.notFound('There is no such file');
    return { ...found, sha256: found.sha256! };
  }

  async #mayAsk(origin: string, uploaders: readonly string[], roomId: string | undefined): Promise<boolean> {
    if (roomId !== undefined && (await this.memberships.otherServers(roomId)).includes(origin)) return true;
    for (const userId of uploaders) if ((await this.accounts.of(userId)).includes(origin)) return true;
    return false;
  }
}
