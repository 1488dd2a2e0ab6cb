import { Controller, Get, Headers, type OnModuleInit, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import fresh from 'fresh';
import { MatrixError } from '../errors/matrix-error.js';
import { Auth } from '../http/auth.decorator.js';
import { NotFoundPage } from '../http/not-found-page.js';
import { pageHeaders } from './page-headers.js';
import { type StaticFile, StaticPages } from './static-pages.js';

/** What a person sees who opens the server's address in a browser. */
@Controller()
export class PagesController implements OnModuleInit {
  constructor(
    private readonly pages: StaticPages,
    private readonly notFound: NotFoundPage,
  ) {}

  onModuleInit(): void {
    this.notFound.register((reply) => send(reply.code(404), this.pages.page('not-found'), undefined));
  }

  @Get('/')
  @Auth('none')
  welcome(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    send(reply, this.pages.page('welcome'), known);
  }

  /** The token of the first account is in the fragment of its address, which never arrives here. */
  @Get('/setup')
  @Auth('none')
  setup(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    send(reply, this.pages.page('setup'), known);
  }

  @Get('/assets/homeserver-address.svg')
  @Auth('none')
  async addressCode(@Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): Promise<void> {
    send(reply, await this.pages.addressCode(), known);
  }

  @Get('/assets/:name')
  @Auth('none')
  asset(@Param('name') name: string, @Headers('if-none-match') known: string | undefined, @Res() reply: FastifyReply): void {
    const file = this.pages.asset(name);
    if (!file) throw MatrixError.notFound('No such file');
    send(reply, file, known);
  }
}

function send(reply: FastifyReply, file: StaticFile, known: string | undefined): void {
  void reply.headers({ ...pageHeaders, etag: file.tag });
  if (fresh({ 'if-none-match': known }, { etag: file.tag })) void reply.code(304).send();
  else void reply.header('content-type', file.type).send(file.body);
}
