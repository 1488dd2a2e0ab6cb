import { randomStory, tell, type Story } from './story.js';
import { World } from './world.js';

/** What breaks a promise, as short as it gets. */
export interface Failure {
  readonly seed: number;
  readonly story: Story;
  readonly why: string;
}

/** Plays the story of a seed. @returns null when nothing is wrong */
export function playSeed(seed: number): Failure | null {
  const story = randomStory(generator(seed));
  const why = play(story);
  return why === null ? null : { seed, ...shrink(story, why) };
}

export function describe({ seed, story, why }: Failure): string {
  return `seed ${seed}\n${tell(story)}\n→ ${why}`;
}

function play(story: Story): string | null {
  try {
    return new World(story).verdict();
  } catch (error) {
    return String((error as Error).stack ?? error);
  }
}

/** Leaves out steps, and turns clocks right, as long as something is wrong. */
function shrink(story: Story, why: string): { story: Story; why: string } {
  let best = { story, why };
  for (let isShorter = true; isShorter;) {
    isShorter = false;
    const { steps, clocks } = best.story;
    const shorter = [
      ...steps.map((_, i) => ({ ...best.story, steps: steps.filter((__, j) => i !== j) })),
      ...clocks.flatMap((ms, i) => (ms === 0 ? [] : [{ ...best.story, clocks: clocks.map((other, j) => (i === j ? 0 : other)) }])),
    ];
    for (const next of shorter) {
      const still = play(next);
      if (still === null) continue;
      best = { story: next, why: still };
      isShorter = true;
      break;
    }
  }
  return best;
}

/** mulberry32: numbers below 1 from a seed. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
