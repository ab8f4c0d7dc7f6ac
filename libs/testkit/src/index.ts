export { findEnvoy, startEnvoy, type TestEnvoy } from './envoy.js';
export { startPostgres, type TestPostgres } from './postgres.js';
export { startRabbit, type TestRabbit, type TestRabbitOptions } from './rabbitmq.js';
