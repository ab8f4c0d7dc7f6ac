/** Every schema that the OpenAPI document names. */
import { auditSchemas } from './audit-schemas.js';
import { authzenSchemas } from './authzen-schemas.js';
import { partnerSchemas } from './partner-schemas.js';
import { policySchemas } from './policy-schemas.js';
import { revocationSchemas } from './revocation-schemas.js';
import { schedulingSchemas } from './scheduling-schemas.js';
import { baseSchemas } from './schemas.js';

export const schemas = {
  ...baseSchemas,
  ...schedulingSchemas,
  ...policySchemas,
  ...partnerSchemas,
  ...auditSchemas,
  ...authzenSchemas,
  ...revocationSchemas,
} as const;

export type SchemaName = keyof typeof schemas;
