import { ResumeTurns } from './resume-turns.js';

/** Resumes that end when they are told to. */
class Resumes {
  readonly turns = new ResumeTurns();
  readonly running = new Map<string, () => void>();

  begin(userId: string, deviceId: string, name: string): Promise<void> {
    return this.turns.run(userId, deviceId, () => new Promise<void>((resolve) => this.running.set(name, () => (this.running.delete(name), resolve()))));
  }

  async names(): Promise<string[]> {
    await new Promise(setImmediate);
    return [...this.running.keys()].sort();
  }
}

describe('turns of resumes', () => {
  it('are one per device and two per account', async () => {
    const resumes = new Resumes();
    const all = [
      resumes.begin('@a', 'PHONE', 'phone 1'), resumes.begin('@a', 'PHONE', 'phone 2'), resumes.begin('@a', 'TABLET', 'tablet'),
      resumes.begin('@a', 'LAPTOP', 'laptop'), resumes.begin('@b', 'PHONE', 'other'),
    ];
    expect(await resumes.names()).toEqual(['other', 'phone 1', 'tablet']);
    resumes.running.get('tablet')!();
    expect(await resumes.names()).toEqual(['laptop', 'other', 'phone 1']);
    resumes.running.get('phone 1')!();
    expect(await resumes.names()).toEqual(['laptop', 'other', 'phone 2']);
    for (const end of resumes.running.values()) end();
    await Promise.all(all);
  });

  it('are refused to a device that asks for more while it waits', async () => {
    const resumes = new Resumes();
    const all = [1, 2, 3].map((i) => resumes.begin('@a', 'PHONE', `phone ${i}`));
    await expect(resumes.begin('@a', 'PHONE', 'phone 4')).rejects.toMatchObject({ status: 429 });
    for (let i = 1; i <= 3; i++) {
      expect(await resumes.names()).toEqual([`phone ${i}`]);
      resumes.running.get(`phone ${i}`)!();
    }
    await Promise.all(all);
    const again = resumes.begin('@a', 'PHONE', 'again');
    expect(await resumes.names()).toEqual(['again']);
    resumes.running.get('again')!();
    await again;
  });
});
