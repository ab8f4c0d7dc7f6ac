/** Every schema that the OpenAPI document names. */
import { authzenSchemas } from './authzen-schemas.js';
import { partnerSchemas } from './partner-schemas.js';
import { policySchemas } from './policy-schemas.js';
import { schedulingSchemas } from './scheduling-schemas.js';
import { baseSchemas } from './schemas.js';

export const schemas = {
  ...baseSchemas,
  ...schedulingSchemas,
  ...policySchemas,
  ...partnerSchemas,
  ...authzenSchemas,
} as const;

export type SchemaName = keyof typeof schemas;
