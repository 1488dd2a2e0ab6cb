import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { parseJson } from '#json';
import { FirstRunAdmin } from '../auth/first-run-admin.js';
import { Config } from '../config/config.js';
import { fillPage, type Texts } from './fill-page.js';
import { readSiteFile } from './site-folders.js';

/** The language of all pages. Another one is another file, chosen by the request's Accept-Language. */
const LANGUAGE = 'en';
const LOCAL_HOST = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/;
const ASSET_NAME = /^[a-z][a-z-]*\.(css|svg|js)$/;
const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  js: 'text/javascript; charset=utf-8',
};

/** A file as it is sent. */
export interface StaticFile {
  readonly body: Buffer;
  readonly type: string;
  /** With its quotes, as in the header ETag. */
  readonly tag: string;
}

/**
 * The pages of apps/web, filled with this server's name and address. Each file is read once and kept; there are as many as
 * apps/web has.
 */
@Injectable()
export class StaticPages {
  readonly #files = new Map<string, StaticFile>();
  #texts: Texts | undefined;

  constructor(
    private readonly config: Config,
    private readonly firstRun: FirstRunAdmin,
  ) {}

  /** The page changes once: when the server gets its first account. */
  page(name: 'welcome' | 'setup' | 'not-found'): StaticFile {
    const { isPending } = this.firstRun;
    return this.#kept(`${name} ${isPending}`, () => {
      const template = readSiteFile('pages', `${name}.html`);
      if (!template) throw new Error(`apps/web/pages/${name}.html is missing`);
      return staticFile('html', fillPage(template.toString('utf8'), this.#content(isPending)));
    })!;
  }

  /** A style sheet, script or picture; undefined for unknown names. */
  asset(name: string): StaticFile | undefined {
    const extension = ASSET_NAME.exec(name)?.[1];
    if (extension === undefined) return undefined;
    return this.#kept(name, () => {
      const content = readSiteFile(extension === 'js' ? 'scripts' : 'assets', name);
      return content && staticFile(extension, content);
    });
  }

  /** The QR code of the address that clients use. */
  async addressCode(): Promise<StaticFile> {
    const name = 'address code';
    const kept = this.#files.get(name);
    if (kept) return kept;
    const { default: qrcode } = await import('qrcode');
    const svg = await qrcode.toString(this.config.publicUrl, { type: 'svg', errorCorrectionLevel: 'M' });
    return this.#kept(name, () => staticFile('svg', svg))!;
  }

  #kept(key: string, make: () => StaticFile | undefined): StaticFile | undefined {
    const kept = this.#files.get(key) ?? make();
    if (kept) this.#files.set(key, kept);
    return kept;
  }

  #content(isPending: boolean) {
    const { serverName, publicUrl, registration } = this.config;
    const texts = (this.#texts ??= readTexts());
    const script = texts['script'] as Texts;
    return {
      texts,
      values: {
        serverName,
        publicUrl,
        registration,
        scriptTexts: JSON.stringify(script),
        setupTexts: JSON.stringify({ ...script, ...(texts['setupScript'] as Texts) }),
      },
      flags: {
        isPending,
        isLocal: LOCAL_HOST.test(new URL(publicUrl).hostname),
        isOpen: registration === 'open',
        isToken: registration === 'token',
        isClosed: registration === 'closed',
      },
    };
  }
}

function readTexts(): Texts {
  const content = readSiteFile('texts', `${LANGUAGE}.json`);
  if (!content) throw new Error(`apps/web/texts/${LANGUAGE}.json is missing`);
  return parseJson(content.toString('utf8')) as Texts;
}

function staticFile(extension: string, content: string | Buffer): StaticFile {
  const body = Buffer.from(content);
  return { body, type: types[extension]!, tag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}
