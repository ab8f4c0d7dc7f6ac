export {
  deadQueueOf,
  type Bus,
  type Consumer,
  type ConsumeOptions,
  type Delivery,
  type Exchange,
  type Handler,
  type OutgoingMessage,
  type Queue,
  type Verdict,
} from './port.js';
export { consumeDead, type DeadLetter } from './dead-letters.js';
export { defaultDeliveryLimit, defaultPrefetch, maxQueueLength } from './limits.js';
export type { BusLogger } from './logger.js';
export { createMemoryHub, type MemoryHub, type MemoryHubOptions } from './memory-hub.js';
export { decode, messageTo } from './protobuf.js';
export { openRabbit, type RabbitOptions } from './rabbit-bus.js';
export type { RabbitLimits } from './limits.js';
