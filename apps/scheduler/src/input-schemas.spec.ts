import { inputSchemasContract } from './input-schemas.contract.js';

inputSchemasContract('SQLite', () => ({}));
