import { processEnvironment } from '@cogmesh/config';
import { connect } from 'amqplib';
import { expect, test } from 'vitest';
import { startRabbit } from './rabbitmq.js';

test('a service can connect to the broker of a test, ours or the given one', async () => {
  const rabbit = await startRabbit();
  const connection = await connect(rabbit.urlFor('scheduler'));
  await connection.close();
  if (processEnvironment()['COGMESH_TEST_AMQP_URL']) {
    expect(rabbit.prefix).not.toBe('');
    await expect(rabbit.kill()).rejects.toMatchObject({ code: 'failed_precondition' });
  } else {
    expect(rabbit.pid).toBeGreaterThan(0);
  }
  await rabbit.stop();
}, 180_000);
