import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PortraitPainter } from './portrait.js';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

describe('a portrait', () => {
  it('tells how busy the agent was on average since the one before', () => {
    const painter = new PortraitPainter();
    painter.started();
    vi.advanceTimersByTime(500);
    painter.started();
    vi.advanceTimersByTime(500);
    expect(painter.paint()).toMatchObject({ running: 2, meanRunning: 1.5 });
    painter.ended(1_000);
    painter.ended(500);
    vi.advanceTimersByTime(1_000);
    expect(painter.paint()).toMatchObject({ running: 0, meanRunning: 0, completed: 2n });
  });

  it('keeps its rates when asked again at once', () => {
    const painter = new PortraitPainter();
    painter.started();
    vi.advanceTimersByTime(1_000);
    const { meanRunning, hostCpu } = painter.paint();
    expect(meanRunning).toBe(1);
    vi.advanceTimersByTime(1);
    painter.ended(1_001);
    expect(painter.paint()).toMatchObject({ meanRunning, hostCpu, running: 0, completed: 1n });
  });

  it('knows run times as a moving average', () => {
    const painter = new PortraitPainter();
    for (const tookMs of [100, 200]) {
      painter.started();
      painter.ended(tookMs);
    }
    expect(painter.paint().latencyMs).toBeCloseTo(110);
  });

  it('measures the processor time of its process, in cores', () => {
    const painter = new PortraitPainter();
    const until = process.cpuUsage().user + 20_000;
    while (process.cpuUsage().user < until);
    vi.advanceTimersByTime(1_000);
    const { cpu = 0, hostCpu = -1 } = painter.paint();
    expect(cpu).toBeGreaterThanOrEqual(0.02);
    expect(hostCpu).toBeGreaterThanOrEqual(0);
    expect(hostCpu).toBeLessThanOrEqual(1);
  });
});
