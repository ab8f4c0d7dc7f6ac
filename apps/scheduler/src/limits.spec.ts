import { limitsContract } from './limits.contract.js';

limitsContract('SQLite', () => ({}));
