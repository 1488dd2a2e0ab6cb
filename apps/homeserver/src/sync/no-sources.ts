import { Injectable } from '@nestjs/common';
import { type UnreadCounts, UnreadSource } from './sources.js';

/** The unread counts of a server that evaluates no push rules. */
@Injectable()
export class NoUnread extends UnreadSource {
  override counts(): Promise<Map<string, UnreadCounts>> {
    return Promise.resolve(new Map());
  }
}
