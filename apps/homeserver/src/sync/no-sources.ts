import { Injectable } from '@nestjs/common';
import { DeviceListSource, KeyCountSource, ToDeviceSource, type UnreadCounts, UnreadSource } from './sources.js';

/** What `/sync` has on a server without end-to-end encryption. */
@Injectable()
export class NoToDevice extends ToDeviceSource {
  override messages(_userId: string, _deviceId: string, _from: number, to: number): Promise<{ events: string[]; pos: number }> {
    return Promise.resolve({ events: [], pos: to });
  }

  override acknowledge(): Promise<void> {
    return Promise.resolve();
  }
}

@Injectable()
export class NoDeviceLists extends DeviceListSource {
  override changed(): Promise<string[]> {
    return Promise.resolve([]);
  }
}

@Injectable()
export class NoKeyCounts extends KeyCountSource {
  override counts(): Promise<{ oneTimeKeys: string; unusedFallback: string }> {
    return Promise.resolve({ oneTimeKeys: '{}', unusedFallback: '[]' });
  }
}

@Injectable()
export class NoUnread extends UnreadSource {
  override counts(): Promise<Map<string, UnreadCounts>> {
    return Promise.resolve(new Map());
  }
}
