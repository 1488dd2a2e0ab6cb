import 'reflect-metadata';
import { Controller, Get, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
@Injectable() class S { hi() { return 'hi'; } }
@Controller() class C { constructor(private readonly s: S) {} @Get('/x') x() { return { a: this.s.hi() }; } }
@Module({ controllers: [C], providers: [S] }) class M {}
export async function start() {
  const app = await NestFactory.create(M, new FastifyAdapter(), { logger: false });
  await app.init();
  const r = await app.getHttpAdapter().getInstance().inject({ method: 'GET', url: '/x' });
  return r.body;
}
if (process.argv[2] === 'go') { console.log(await start()); console.log(process.memoryUsage.rss() / 1e6); process.exit(0); }
