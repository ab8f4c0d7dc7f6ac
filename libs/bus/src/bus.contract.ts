/**
 * What every adapter of the bus port must do; each adapter's spec runs it. Negative facts ("nothing more arrives") are
 * shown by a marker published afterwards, never by waiting a while.
 */
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { consumeDead, type DeadLetter } from './dead-letters.js';
import {
  deadQueueOf,
  type Bus,
  type Delivery,
  type Exchange,
  type OutgoingMessage,
  type Queue,
  type Verdict,
} from './port.js';

export interface BusHarness {
  /** A new connection of one of two identities. */
  connect(identity: 'alice' | 'bob'): Promise<Bus>;
  /** Cuts a connection as a crash of its process would. */
  crash(bus: Bus): Promise<void>;
  /** What the broker calls an identity. */
  sender(identity: 'alice' | 'bob'): string;
  close(): Promise<void>;
}

/** Harness buses refuse more than this in one queue, so that the test of the limit is short. */
export const contractMaxQueueLength = 2000;

const waitFor = <T>(check: () => T | Promise<T>) => vi.waitFor(check, { timeout: 15_000, interval: 20 });
const text = (delivery: Delivery | undefined) => Buffer.from(delivery?.body ?? []).toString();
const ackAll = async (deliveries: readonly Delivery[]): Promise<Verdict[]> => deliveries.map(() => 'ack');
const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

let names = 0;
const unique = (base: string) => `${base}-${process.pid}-${++names}`;
const durable = (extra: Partial<Queue> = {}): Queue => ({ name: unique('bus.contract'), kind: 'durable', ...extra });

function message(
  to: Queue | OutgoingMessage['to'],
  body: string,
  extra: Partial<OutgoingMessage> = {},
): OutgoingMessage {
  const address = 'name' in to ? { queue: to.name } : to;
  return { to: address, type: 'cogmesh.test.v1.Text', body: Buffer.from(body), ...extra };
}

const code = (expected: string) => expect.objectContaining({ code: expected });

/** Collects the texts that a queue delivers, acking each. */
async function collect(bus: Bus, queue: Queue) {
  const got: Delivery[] = [];
  const consumer = await bus.consume(queue, async (deliveries) => {
    got.push(...deliveries);
    return ackAll(deliveries);
  });
  return { got, texts: () => got.map(text), stop: () => consumer.stop() };
}

export function busContract(adapter: string, open: () => Promise<BusHarness>): void {
  describe(`bus contract: ${adapter}`, () => {
    let harness: BusHarness;
    let alice: Bus;
    let bob: Bus;

    beforeAll(async () => {
      harness = await open();
      alice = await harness.connect('alice');
      bob = await harness.connect('bob');
    }, 120_000);

    afterAll(async () => {
      await alice?.close();
      await bob?.close();
      await harness?.close();
    }, 60_000);

    describe('publish and deliver', () => {
      test('a delivery carries what was sent and who sent it', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        await bob.publish([message(queue, 'hello', { id: 'm-1', headers: { traceparent: 'kept', colour: 'blue' } })]);
        const { got, stop } = await collect(alice, queue);
        await waitFor(() => expect(got).toHaveLength(1));
        await stop();
        expect(got[0]).toMatchObject({
          id: 'm-1',
          type: 'cogmesh.test.v1.Text',
          routingKey: queue.name,
          redelivered: false,
        });
        expect(got[0]?.headers).toMatchObject({ traceparent: 'kept', colour: 'blue', 'cloudEvents:id': 'm-1' });
        expect(got[0]?.headers).toMatchObject({
          'cloudEvents:specversion': '1.0',
          'cloudEvents:type': 'cogmesh.test.v1.Text',
        });
        expect(text(got[0])).toBe('hello');
        expect(got[0]?.sender).toBe(harness.sender('bob'));
        expect(got[0]?.death).toBeUndefined();
      });

      test('a message without id gets its own', async () => {
        const queue = durable();
        const { got, stop } = await collect(alice, queue);
        await alice.publish([message(queue, 'a'), message(queue, 'b')]);
        await waitFor(() => expect(got).toHaveLength(2));
        await stop();
        expect(new Set(got.map(({ id }) => id)).size).toBe(2);
        expect(got[0]?.id).not.toBe('');
      });

      test('keeps the order of one publisher', async () => {
        const queue = durable();
        const { texts, stop } = await collect(alice, queue);
        const sent = numbers(600);
        await bob.publish(sent.slice(0, 300).map((body) => message(queue, body)));
        await bob.publish(sent.slice(300).map((body) => message(queue, body)));
        await waitFor(() => expect(texts()).toHaveLength(600));
        await stop();
        expect(texts()).toEqual(sent);
      });

      test('many publishers at once: everything arrives once', async () => {
        const queue = durable();
        const { texts, stop } = await collect(alice, queue);
        const sent = numbers(400);
        await Promise.all(sent.map((body, index) => (index % 2 ? alice : bob).publish([message(queue, body)])));
        await waitFor(() => expect(texts()).toHaveLength(400));
        await stop();
        expect(new Set(texts())).toEqual(new Set(sent));
      });

      test('an empty publish is nothing', async () => {
        await expect(alice.publish([])).resolves.toBeUndefined();
      });

      test('a queue that is not there rejects not_found, and the messages beside it may arrive', async () => {
        await expect(bob.publish([message({ queue: unique('bus.nowhere') }, 'lost')])).rejects.toEqual(
          code('not_found'),
        );
        const queue = durable();
        const { texts, stop } = await collect(alice, queue);
        await bob.publish([message(queue, 'after')]);
        await waitFor(() => expect(texts()).toEqual(['after']));
        await stop();
      });

      test('an exchange without a matching binding takes the message and drops it', async () => {
        const exchange: Exchange = { name: unique('bus.events'), type: 'topic' };
        await expect(bob.publish([message({ exchange, routingKey: 'nobody.listens' }, 'x')])).resolves.toBeUndefined();
      });

      test('a full queue rejects overloaded', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        const fill = async () => {
          for (let batch = 0; batch < 20; batch += 1) {
            await alice.publish(numbers(contractMaxQueueLength / 4).map((body) => message(queue, body)));
          }
        };
        await expect(fill()).rejects.toEqual(code('overloaded'));
      });
    });

    describe('routing', () => {
      const cases = [
        { pattern: 'run.*.done', matches: ['run.1.done'], not: ['run.done', 'run.1.2.done'] },
        { pattern: 'run.#', matches: ['run', 'run.1', 'run.1.done'], not: ['task.1'] },
        { pattern: '#.done', matches: ['done', 'run.1.done'], not: ['run.1.doing'] },
        { pattern: '#', matches: ['', 'anything.at.all'], not: [] },
        { pattern: 'exact', matches: ['exact'], not: ['exact.not', 'Exact'] },
      ];
      test.each(cases)('topic $pattern', async ({ pattern, matches, not }) => {
        const exchange: Exchange = { name: unique('bus.events'), type: 'topic' };
        const marker: Exchange = { name: unique('bus.marker'), type: 'direct' };
        const bindings = [
          { exchange, routingKey: pattern },
          { exchange: marker, routingKey: 'end' },
        ];
        const { texts, stop } = await collect(alice, durable({ bindings }));
        await bob.publish([...not, ...matches].map((routingKey) => message({ exchange, routingKey }, routingKey)));
        await bob.publish([message({ exchange: marker, routingKey: 'end' }, 'end')]);
        await waitFor(() => expect(texts()).toContain('end'));
        await stop();
        expect(texts()).toEqual([...matches, 'end']);
      });

      test('two bindings that both match deliver one message', async () => {
        const exchange: Exchange = { name: unique('bus.events'), type: 'topic' };
        const bindings = ['a.*', '*.b', 'end'].map((routingKey) => ({ exchange, routingKey }));
        const { texts, stop } = await collect(alice, durable({ bindings }));
        await bob.publish([
          message({ exchange, routingKey: 'a.b' }, 'once'),
          message({ exchange, routingKey: 'end' }, 'end'),
        ]);
        await waitFor(() => expect(texts()).toContain('end'));
        await stop();
        expect(texts()).toEqual(['once', 'end']);
      });

      test('every connection has its own transient queue, gone with it', async () => {
        const exchange: Exchange = { name: unique('bus.events'), type: 'topic' };
        const hints: Queue = {
          name: unique('bus.hints'),
          kind: 'transient',
          bindings: [{ exchange, routingKey: '#' }],
        };
        const gone = await harness.connect('bob');
        const [one, two, three] = [await collect(alice, hints), await collect(bob, hints), await collect(gone, hints)];
        await gone.close();
        await bob.publish([message({ exchange, routingKey: 'hint' }, 'wake up')]);
        await waitFor(() => expect([one.texts(), two.texts()]).toEqual([['wake up'], ['wake up']]));
        await Promise.all([one.stop(), two.stop()]);
        expect(three.texts()).toEqual([]);
      });

      test('a queue that nobody consumes is removed after expiresMs', async () => {
        const queue = durable({ expiresMs: 300 });
        const { stop } = await collect(alice, queue);
        await bob.publish([message(queue, 'while it is used')]);
        await stop();
        await waitFor(() => expect(bob.publish([message(queue, 'late')])).rejects.toEqual(code('not_found')));
      });
    });

    describe('flow', () => {
      test('hands over no more than prefetch before something is settled', async () => {
        const queue = durable();
        await alice.publish([]);
        await alice.declare({ queues: [queue] });
        await bob.publish(numbers(12).map((body) => message(queue, body)));
        const held: (() => void)[] = [];
        let done = 0;
        let most = 0;
        const hold = async (deliveries: readonly Delivery[]) => {
          await new Promise<void>((resolve) => held.push(resolve));
          done += 1;
          return ackAll(deliveries);
        };
        const consumer = await alice.consume(queue, hold, { prefetch: 3 });
        await waitFor(() => expect(held).toHaveLength(3));
        while (done < 12) {
          most = Math.max(most, held.length);
          held.shift()?.();
          await waitFor(() => expect(held.length).toBe(Math.min(3, 12 - done)));
        }
        await consumer.stop();
        expect(most).toBe(3);
      });

      test('batches what has arrived, one batch at a time', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        await bob.publish(numbers(250).map((body) => message(queue, body)));
        const sizes: number[] = [];
        const seen: string[] = [];
        let [running, most] = [0, 0];
        const handle = async (deliveries: readonly Delivery[]) => {
          most = Math.max(most, ++running);
          sizes.push(deliveries.length);
          seen.push(...deliveries.map(text));
          await new Promise((resolve) => setImmediate(resolve));
          running -= 1;
          return ackAll(deliveries);
        };
        const consumer = await alice.consume(queue, handle, { prefetch: 100, maxBatch: 20 });
        await waitFor(() => expect(seen).toHaveLength(250));
        await consumer.stop();
        expect(seen).toEqual(numbers(250));
        expect(Math.max(...sizes)).toBeGreaterThan(1);
        expect(Math.max(...sizes)).toBeLessThanOrEqual(20);
        expect(most).toBe(1);
      });

      test('two consumers share a queue', async () => {
        const queue = durable();
        const [one, two] = [await collect(alice, queue), await collect(bob, queue)];
        for (const body of numbers(40)) await bob.publish([message(queue, body)]);
        await waitFor(() => expect(one.got.length + two.got.length).toBe(40));
        await Promise.all([one.stop(), two.stop()]);
        expect(one.got.length).toBeGreaterThan(5);
        expect(two.got.length).toBeGreaterThan(5);
      });

      test('stop waits for running handlers, hands back the rest, loses nothing', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        await bob.publish(numbers(10).map((body) => message(queue, body)));
        const first: string[] = [];
        const held: (() => void)[] = [];
        const slow = async (deliveries: readonly Delivery[]) => {
          await new Promise<void>((resolve) => held.push(resolve));
          first.push(...deliveries.map(text));
          return ackAll(deliveries);
        };
        const consumer = await alice.consume(queue, slow, { prefetch: 6, concurrency: 2 });
        await waitFor(() => expect(held).toHaveLength(2));
        let stopped = false;
        const stopping = consumer.stop().then(() => (stopped = true));
        const rest = await collect(bob, queue);
        await waitFor(() => expect(rest.got).toHaveLength(8));
        expect(stopped).toBe(false);
        held.splice(0).forEach((release) => release());
        await stopping;
        await bob.publish([message(queue, 'end')]);
        await waitFor(() => expect(rest.texts()).toContain('end'));
        await rest.stop();
        expect(first.sort()).toEqual(['0', '1']);
        expect(rest.texts().sort()).toEqual([...numbers(10).slice(2), 'end']);
      });
    });

    describe('verdicts', () => {
      test('an acked message is gone', async () => {
        const queue = durable();
        const first = await collect(alice, queue);
        await bob.publish([message(queue, 'once')]);
        await waitFor(() => expect(first.texts()).toEqual(['once']));
        await first.stop();
        await bob.publish([message(queue, 'end')]);
        const second = await collect(alice, queue);
        await waitFor(() => expect(second.texts()).toContain('end'));
        await second.stop();
        expect(second.texts()).toEqual(['end']);
      });

      test('each delivery of a batch has its own verdict', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        await bob.publish(['ack', 'dead', 'retry', 'ack'].map((body) => message(queue, body)));
        const dead = await collect(alice, deadQueueOf(queue));
        const again: string[] = [];
        const judge = async (deliveries: readonly Delivery[]) =>
          deliveries.map((delivery): Verdict => {
            if (!delivery.redelivered) return text(delivery) as Verdict;
            again.push(text(delivery));
            return 'ack';
          });
        const consumer = await alice.consume(queue, judge, { maxBatch: 10, retryDelayMs: 1 });
        await waitFor(() => expect([again, dead.texts()]).toEqual([['retry'], ['dead']]));
        await Promise.all([consumer.stop(), dead.stop()]);
      });

      test.each([
        { name: 'retry', handle: async (): Promise<Verdict[]> => ['retry'] },
        { name: 'a handler that throws', handle: () => Promise.reject(new Error('handler broke')) },
        { name: 'a handler that throws synchronously', handle: () => { throw new Error('handler broke'); } }, // prettier-ignore
        { name: 'too few verdicts', handle: async (): Promise<Verdict[]> => [] },
      ])('$name: delivered again up to the limit, then dead', async ({ handle }) => {
        const queue = durable({ deliveryLimit: 2 });
        const redelivered: boolean[] = [];
        const failing = (deliveries: readonly Delivery[]) => {
          redelivered.push(...deliveries.map((delivery) => delivery.redelivered));
          return handle();
        };
        const consumer = await alice.consume(queue, failing, { retryDelayMs: 1 });
        const dead = await collect(bob, deadQueueOf(queue));
        await bob.publish([message(queue, 'poison', { id: 'p-1', headers: { colour: 'red' } })]);
        await waitFor(() => expect(dead.got).toHaveLength(1));
        await Promise.all([consumer.stop(), dead.stop()]);
        expect(redelivered).toEqual([false, true, true]);
        expect(dead.got[0]).toMatchObject({ id: 'p-1', death: { queue: queue.name, reason: 'delivery_limit' } });
        expect(dead.got[0]).toMatchObject({ sender: harness.sender('bob'), type: 'cogmesh.test.v1.Text' });
        expect(dead.got[0]?.headers).toMatchObject({ colour: 'red' });
        expect(text(dead.got[0])).toBe('poison');
      });

      test('dead: to the dead-letter queue at once', async () => {
        const queue = durable();
        const letters: DeadLetter[] = [];
        let failures = 1;
        const deadConsumer = await consumeDead(alice, queue, async (letter) => {
          if (failures-- > 0) throw new CogmeshError('unavailable', 'the table is away');
          letters.push(letter);
        });
        const consumer = await alice.consume(queue, async (all) => all.map(() => 'dead'));
        await bob.publish([message(queue, 'garbage', { id: 'g-1' })]);
        await waitFor(() => expect(letters).toHaveLength(1));
        await Promise.all([consumer.stop(), deadConsumer.stop()]);
        expect(letters[0]).toMatchObject({
          id: 'g-1',
          queue: queue.name,
          reason: 'rejected',
          sender: harness.sender('bob'),
        });
      });

      test('an outage met by the handler does not count against the limit', async () => {
        const queue = durable({ deliveryLimit: 1 });
        const dead = await collect(bob, deadQueueOf(queue));
        let calls = 0;
        const consumer = await alice.consume(queue, async (deliveries) => {
          if (++calls <= 4) throw new CogmeshError('unavailable', 'the database is away');
          return ackAll(deliveries);
        });
        await bob.publish([message(queue, 'patient')]);
        await waitFor(() => expect(calls).toBe(5));
        await bob.publish([message(deadQueueOf(queue), 'end')]);
        await waitFor(() => expect(dead.texts()).toContain('end'));
        await Promise.all([consumer.stop(), dead.stop()]);
        expect(dead.texts()).toEqual(['end']);
      });

      test('an expired message goes to the dead-letter queue and is not delivered', async () => {
        const queue = durable();
        await alice.declare({ queues: [queue] });
        const dead = await collect(alice, deadQueueOf(queue));
        await bob.publish([message(queue, 'late', { expirationMs: 50 })]);
        await waitFor(() => expect(dead.got[0]?.death).toEqual({ queue: queue.name, reason: 'expired' }));
        await bob.publish([message(queue, 'in time', { expirationMs: 60_000 })]);
        const { texts, stop } = await collect(alice, queue);
        await waitFor(() => expect(texts()).toEqual(['in time']));
        await Promise.all([stop(), dead.stop()]);
      });
    });

    describe('connections', () => {
      test('what a crashed consumer had not acked is delivered again', async () => {
        const queue = durable();
        const doomed = await harness.connect('bob');
        const held: string[] = [];
        await doomed.consume(queue, async (deliveries) => {
          held.push(...deliveries.map(text));
          return new Promise<Verdict[]>(() => undefined);
        });
        await alice.publish([message(queue, 'a'), message(queue, 'b')]);
        await waitFor(() => expect(held).toEqual(['a', 'b']));
        await harness.crash(doomed);
        const { got, texts, stop } = await collect(alice, queue);
        await waitFor(() => expect(texts().sort()).toEqual(['a', 'b']));
        await stop();
        expect(got.every(({ redelivered }) => redelivered)).toBe(true);
      });

      test('messages outlive their publisher', async () => {
        const queue = durable();
        const publisher = await harness.connect('bob');
        await publisher.declare({ queues: [queue] });
        await publisher.publish([message(queue, 'left behind')]);
        await publisher.close();
        const { texts, stop } = await collect(alice, queue);
        await waitFor(() => expect(texts()).toEqual(['left behind']));
        await stop();
      });

      test('ping answers while open; after close everything rejects unavailable', async () => {
        const bus = await harness.connect('bob');
        await expect(bus.ping()).resolves.toBeUndefined();
        await bus.close();
        await bus.close();
        await expect(bus.ping()).rejects.toEqual(code('unavailable'));
        await expect(bus.publish([message({ queue: 'any' }, 'x')])).rejects.toEqual(code('unavailable'));
        await expect(bus.consume(durable(), ackAll)).rejects.toEqual(code('unavailable'));
        await expect(bus.declare({ queues: [durable()] })).rejects.toEqual(code('unavailable'));
      });
    });
  });
}
