export { InputSchema, type Checked, type CheckOptions } from './input-schema.js';
export { inputSchemaLimits } from './limits.js';
export { unknownText, unknownValue, type Verdict } from './verdict.js';
