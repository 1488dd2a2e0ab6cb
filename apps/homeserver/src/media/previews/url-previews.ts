import { Injectable } from '@nestjs/common';
import { parseJson } from '#json';
import { Config } from '../../config/config.js';
import { MatrixError } from '../../errors/matrix-error.js';
import { AddressRefusedError } from '../../federation/outgoing/address-guard.js';
import { FairSlots, fairLimits } from '../../federation/outgoing/fair-slots.js';
import { type WebAnswer, WebRequests } from '../../federation/outgoing/web-requests.js';
import { Clock } from '../../observability/clock.js';
import { boundedCache } from '../../storage/bounded-cache.js';
import { type IncomingFile, IncomingFiles } from '../storage/incoming-files.js';
import type { Preview } from './preview.js';
import { PreviewImages } from './preview-images.js';
import { readPage } from './read-page.js';

const PAGE_MS = 15_000;
const PART_MS = 10_000;
/** A page says what it is at its beginning. */
const MAX_PAGE_BYTES = 1024 * 1024;
const MAX_OEMBED_BYTES = 64 * 1024;
const MAX_IMAGE_BYTES = 10 * 1024 * 1024;
const CACHED_MS = 3_600_000;
const MAX_CACHED = 1_000;
const SLOTS = 16;

type Found = { readonly kind: 'page'; readonly html: string; readonly url: URL } | { readonly kind: 'image'; readonly file: IncomingFile } | { readonly kind: 'other' };

/** Looks at what people link to. Bounded in time and bytes; each address is checked when it is called, those that a page names as well. */
@Injectable()
export class UrlPreviews {
  readonly #cache = boundedCache<string, { readonly until: number; readonly preview: Preview }>(MAX_CACHED);
  readonly #running = new Map<string, Promise<Preview>>();
  readonly #slots = new FairSlots(fairLimits(SLOTS), PAGE_MS);

  constructor(
    private readonly config: Config,
    private readonly web: WebRequests,
    private readonly incoming: IncomingFiles,
    private readonly images: PreviewImages,
    private readonly clock: Clock,
  ) {}

  /**
   * Nothing where the operator has not switched previews on.
   *
   * @throws MatrixError 400 M_INVALID_PARAM, 403 M_FORBIDDEN of an address that must not be called, 502 of a page that cannot be read
   */
  async of(address: string, userId: string): Promise<Preview> {
    if (!this.config.urlPreviews) return {};
    const url = URL.parse(address);
    if (!url || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') throw MatrixError.invalidParam('url: expected a web address');
    url.hash = '';
    const key = url.href;
    const cached = this.#cache.get(key);
    if (cached && cached.until > this.clock.steady()) return cached.preview;
    let running = this.#running.get(key);
    if (!running) {
      running = this.#slots.run({ account: userId, destination: url.host }, () => this.#look(url, userId)).finally(() => this.#running.delete(key));
      this.#running.set(key, running);
    }
    const preview = await running;
    this.#cache.set(key, { until: this.clock.steady() + CACHED_MS, preview });
    return preview;
  }

  async #look(url: URL, userId: string): Promise<Preview> {
    const found = await this.web.get(url, { accept: 'text/html, application/xhtml+xml, image/*;q=0.9, */*;q=0.1', timeoutMs: PAGE_MS }, (answer) => this.#read(answer))
      .catch((error: unknown) => {
        if (error instanceof MatrixError) throw error;
        if (error instanceof AddressRefusedError) throw MatrixError.forbidden(error.message);
        throw MatrixError.unknown(502, 'The page cannot be read');
      });
    if (found.kind === 'other') return {};
    if (found.kind === 'image') return this.images.keep(found.file, userId);
    const { properties, oEmbed } = await readPage(found.html);
    const card = new Map(properties);
    if (oEmbed !== undefined) for (const [name, value] of await this.#embedded(oEmbed, found.url)) if (!card.has(name)) card.set(name, value);
    const image = card.get('og:image') ?? card.get('og:image:url') ?? card.get('og:image:secure_url');
    const others = [...card].filter(([name]) => !name.startsWith('og:image'));
    return { ...Object.fromEntries(others), ...(image !== undefined && (await this.#image(image, found.url, userId))) };
  }

  async #read({ status, contentType, body, url }: WebAnswer): Promise<Found> {
    if (status < 200 || status > 299) throw MatrixError.unknown(502, `The page answers ${status}`);
    if (/^image\//i.test(contentType)) return { kind: 'image', file: await this.#picture(body) };
    if (!/^(text\/html|application\/xhtml\+xml)\b/i.test(contentType)) return { kind: 'other' };
    const bytes = await beginning(body, MAX_PAGE_BYTES);
    return { kind: 'page', html: decoded(bytes, contentType), url };
  }

  /** What a page says by oEmbed (https://oembed.com), in the words of OpenGraph; nothing where it cannot be read. */
  async #embedded(address: string, base: URL): Promise<[string, string][]> {
    try {
      const text = await this.web.get(new URL(address, base), { accept: 'application/json', timeoutMs: PART_MS }, async ({ body }) => (await beginning(body, MAX_OEMBED_BYTES)).toString('utf8'));
      const { title, provider_name: site, thumbnail_url: image, type, url } = parseJson(text) as Record<string, unknown>;
      const named: [string, unknown][] = [['og:title', title], ['og:site_name', site], ['og:image', type === 'photo' ? url : image]];
      return named.filter((one): one is [string, string] => typeof one[1] === 'string' && one[1].length < 2_048 && one[1].isWellFormed());
    } catch {
      return [];
    }
  }

  /** The page's image as media; nothing where it cannot be had. */
  async #image(address: string, base: URL, userId: string): Promise<Preview> {
    try {
      const file = await this.web.get(new URL(address, base), { accept: 'image/*', timeoutMs: PART_MS }, ({ status, body }) => {
        if (status !== 200) throw new Error(`the image answers ${status}`);
        return this.#picture(body);
      });
      return await this.images.keep(file, userId);
    } catch {
      return {};
    }
  }

  #picture(body: AsyncIterable<Buffer>): Promise<IncomingFile> {
    return this.incoming.take(body, Math.min(MAX_IMAGE_BYTES, this.config.maxUploadBytes));
  }
}

/** The first bytes; the rest is left. */
async function beginning(body: AsyncIterable<Buffer>, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of body) {
    pieces.push(piece);
    bytes += piece.length;
    if (bytes >= maxBytes) break;
  }
  return Buffer.concat(pieces).subarray(0, maxBytes);
}

/** By what the header says, else the page, else UTF-8. */
function decoded(bytes: Buffer, contentType: string): string {
  const charset = /charset=["']?([\w:-]{1,40})/i;
  const named = charset.exec(contentType)?.[1] ?? charset.exec(bytes.toString('latin1', 0, 2_048))?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(named).decode(bytes);
  } catch {
    return bytes.toString('utf8');
  }
}
