import type { PublicPlace } from './presented.js';
import type { MetadataRules } from '../authzen/metadata.js';

/** Injection tokens: the built objects that controllers, guards and filters are handed. */
export const OPERATIONS = Symbol('operations');
export const ADMISSION = Symbol('admission');
export const HTTP_SETTINGS = Symbol('http settings');
export const READINESS = Symbol('readiness');
export const OPEN_STREAMS = Symbol('open streams');
export const TOKEN_EXCHANGE = Symbol('token exchange');
export const LOGGER = Symbol('logger');

/** What the HTTP face needs to know of the configuration. */
export interface HttpSettings extends PublicPlace {
  readonly jsonBodyBytes: number;
  readonly runBodyBytes: number;
  readonly blobBytes: number;
  readonly keepAliveMs: number;
  readonly slowReaderMs: number;
  /** Evaluations in one request of the Authorization API. */
  readonly authzenEvaluations: number;
  readonly authzenMetadata: MetadataRules;
}
