import { expect, it } from 'vitest';
import { SimulatedProcess } from './process.js';
import { SeededRandom } from './seeded-random.js';
import { VirtualClock } from './virtual-clock.js';

it('does everything that promises can do before time goes on', async () => {
  const clock = new VirtualClock(0);
  const seen: string[] = [];
  const chain = async (): Promise<void> => {
    for (let step = 0; step < 50; step += 1) await Promise.resolve();
    seen.push(`chain at ${clock.now()}`);
    clock.soon(() => seen.push(`soon at ${clock.now()}`));
  };
  clock.after(5, () => void chain());
  clock.after(6, () => seen.push(`later at ${clock.now()}`));
  await clock.advance(10);
  expect(seen).toEqual(['chain at 5', 'soon at 5', 'later at 6']);
  expect(clock.now()).toBe(10);
});

it('keeps the order of planning without a seed, and one that a seed repeats with it', async () => {
  const order = async (random?: SeededRandom): Promise<string> => {
    const clock = new VirtualClock(0, random);
    const seen: number[] = [];
    for (let at = 0; at < 20; at += 1) clock.after(1, () => seen.push(at));
    await clock.advance(1);
    return seen.join();
  };
  const planned = Array.from({ length: 20 }, (_, at) => at).join();
  expect(await order()).toBe(planned);
  const shuffled = await order(new SeededRandom(1));
  expect(shuffled).not.toBe(planned);
  expect(await order(new SeededRandom(1))).toBe(shuffled);
  expect(await order(new SeededRandom(2))).not.toBe(shuffled);
});

it('cancels, and gives up on a world that never rests', async () => {
  const clock = new VirtualClock(0);
  let calls = 0;
  clock.after(1, () => (calls += 1))();
  await clock.advance(2);
  expect(calls).toBe(0);
  const again = (): void => clock.soon(again);
  again();
  await expect(clock.settle()).rejects.toThrow('never comes to rest');
});

it('lets nothing into a dead process, and into a frozen one only when it wakes', async () => {
  const clock = new VirtualClock(0);
  const [dead, frozen] = [new SimulatedProcess('dead', clock), new SimulatedProcess('frozen', clock)];
  const seen: string[] = [];
  for (const process of [dead, frozen]) {
    process.clock.after(1, () => seen.push(process.name));
    void process.hear(Promise.resolve('answer'), () => 2).then((answer) => seen.push(`${process.name} ${answer}`));
  }
  await clock.settle();
  dead.kill();
  frozen.freeze();
  await clock.advance(10);
  expect(seen).toEqual([]);
  frozen.wake();
  await clock.settle();
  expect(seen).toEqual(['frozen', 'frozen answer']);
});
