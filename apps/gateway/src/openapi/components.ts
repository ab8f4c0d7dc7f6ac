/** Every schema that the OpenAPI document names. */
import { schedulingSchemas } from './scheduling-schemas.js';
import { baseSchemas } from './schemas.js';

export const schemas = { ...baseSchemas, ...schedulingSchemas } as const;

export type SchemaName = keyof typeof schemas;
