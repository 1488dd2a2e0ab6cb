import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { PagesController } from './pages.controller.js';
import { StaticPages } from './static-pages.js';

/** The pages for people at the server's own address. */
@Module({ imports: [AuthModule], controllers: [PagesController], providers: [StaticPages] })
export class WebModule {}
