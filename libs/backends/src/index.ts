export { administrator, brokerDefinitions, brokerPasswordHash } from './broker-definitions.js';
export { serviceUsers, standardExchanges, type BrokerUser } from './broker-users.js';
export { findPostgres, findRabbit, notInstalled, type PostgresBinaries, type RabbitBinaries } from './find.js';
export { startRabbitServer, type RabbitServer, type RabbitServerOptions } from './rabbitmq-server.js';
export { freePorts } from './ports.js';
export { startPostgresServer, type PostgresServer, type PostgresServerOptions } from './postgres-server.js';
